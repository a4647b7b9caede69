"""Parts become files: of torch.export, of ONNX, of OpenVINO."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.fx.experimental._config as tracing
from torch.export import ExportedProgram

from robustseg.deploy.export.optional import needed
from robustseg.deploy.export.parts import Part

ENDINGS = {"onnx": ".onnx", "openvino": ".xml", "torch": ".pt2"}
OPSET = 18
"""Of ONNX; ONNX Runtime and OpenVINO were tried with it."""


def write_part(part: Part, folder: Path, kind: str) -> tuple[Path, ...]:
    """Writes a part into a folder; gives its files, the one that is opened first.

    Args:
        part: What to write.
        folder: Where.
        kind: A key of `ENDINGS`.

    Raises:
        ValueError: A package that this needs is not installed.
    """
    path = folder / f"{part.name}{ENDINGS[kind]}"
    match kind:
        case "torch":
            program = traced(part)
            with _quiet():
                torch.export.save(program, path)
            return (path,)
        case "onnx":
            _write_onnx(part, path)
            return (path,)
        case "openvino":
            return _write_openvino(part, path)
        case _:
            raise ValueError(f"there is no format {kind!r}; choose one of {', '.join(ENDINGS)}")


def _write_onnx(part: Part, path: Path) -> None:
    for package in ("onnx", "onnxscript"):
        needed(package)
    program = traced(part)
    with _quiet():
        made = torch.onnx.export(
            program,
            part.arguments,
            None,
            input_names=part.inputs,
            output_names=part.outputs,
            dynamic_shapes=part.dynamic,
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        assert made is not None
        made.save(path)


def _write_openvino(part: Part, path: Path) -> tuple[Path, ...]:
    openvino, source = needed("openvino"), path.with_suffix(".onnx")
    _write_onnx(part, source)
    # read, not converted: conversion would report its use over the network
    openvino.save_model(openvino.Core().read_model(source), path, compress_to_fp16=False)
    source.unlink()
    return path, path.with_suffix(".bin")


def traced(part: Part) -> ExportedProgram:
    """The part's graph for any sizes; sizes of 1 are no special case of it."""
    with tracing.patch(backed_size_oblivious=True), _quiet(), torch.no_grad():  # pyright: ignore
        return torch.export.export(part.graph, part.arguments, dynamic_shapes=part.dynamic, strict=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of the exporters, which are about parts of PyTorch that are not used here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
