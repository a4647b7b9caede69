"""Exported files at work: arrays by name in, arrays by name out, whatever the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_unflatten

from robustseg.deploy.export.optional import needed

Arrays = dict[str, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], Arrays]


def open_file(path: Path, kind: str, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    """One file, ready to run on the CPU with as many threads as torch has.

    A file of `torch.export` can run code when it is opened: open none that you do not trust.

    Args:
        path: The file.
        kind: A key of `robustseg.deploy.export.writing.ENDINGS`.
        inputs: Names, in the graph's order.
        outputs: Likewise.

    Raises:
        ValueError: The runtime is not installed, or there is no such format.
    """
    match kind:
        case "onnx":
            return _onnx(path)
        case "openvino":
            return _openvino(path)
        case "torch":
            return _torch(path, inputs, outputs)
        case _:
            raise ValueError(f"there is no format {kind!r}")


def _onnx(path: Path) -> Run:
    runtime = needed("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda arrays: dict(zip(names, session.run(None, dict(arrays)), strict=True))


def _openvino(path: Path) -> Run:
    # its default on processors that have bfloat16 is to compute in that
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = needed("openvino").Core().compile_model(path, "CPU", settings)
    names = [output.any_name for output in compiled.outputs]

    def run(arrays: Mapping[str, np.ndarray]) -> Arrays:
        found = compiled(dict(arrays))
        return {name: found[place].copy() for place, name in enumerate(names)}

    return run


def _torch(path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> Run:
    program = torch.export.load(path)
    # the guards would refuse an encoder's single frame, which PyTorch's layout rules treat apart, but compute alike
    module: Any = program.module(check_guards=False)
    layout = program.call_spec.in_spec
    assert layout is not None

    def run(arrays: Mapping[str, np.ndarray]) -> Arrays:
        tensors = [torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in inputs]
        arguments, _ = tree_unflatten(tensors, layout)
        with torch.no_grad():
            return {name: found.numpy() for name, found in zip(outputs, module(*arguments), strict=True)}

    return run
