"""RobustSeg: multi-modal semantic segmentation that survives missing, degraded and noisy sensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from robustseg.build import load

__version__ = "0.1.0"
__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that `robustseg --help` need not wait for torch."""
    match name:
        case "load":
            from robustseg.build import load

            return load
    raise AttributeError(f"module 'robustseg' has no attribute {name!r}")
