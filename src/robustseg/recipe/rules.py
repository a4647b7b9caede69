"""What all parts of a recipe share: limits, and the check of a value."""

from __future__ import annotations

SMALLEST, LARGEST = 32, 16384
"""The sides of images that the network takes; below the smallest, its last stage would have no pixel."""


def require(condition: bool, message: str, value: object) -> None:
    """Raises ValueError with `message` and the offending `value` unless `condition` holds."""
    if not condition:
        raise ValueError(f"{message}, got {value}")
