"""Packages that only exporting needs, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any, Literal

EXTRAS = {"onnx": "export", "onnxscript": "export", "onnxruntime": "export", "openvino": "openvino"}


def needed(package: Literal["onnx", "onnxscript", "onnxruntime", "onnxruntime.quantization", "openvino"]) -> Any:
    """The package as a module.

    Raises:
        ValueError: It is not installed; says how to get it.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        name = package.partition(".")[0]
        raise ValueError(f"this needs {name}: pip install 'robustseg[{EXTRAS[name]}]'") from None
