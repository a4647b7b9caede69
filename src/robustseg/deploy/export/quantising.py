"""ONNX files with weights and activations of 8 bits, by ONNX Runtime's static quantisation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from robustseg.deploy.export.optional import needed

Feeds = Iterable[Mapping[str, np.ndarray]]


class Reader:
    """Feeds of a file, one after the other, as the quantiser asks for them.

    Args:
        feeds: The inputs of each run, by name.
    """

    def __init__(self, feeds: Feeds) -> None:
        self._feeds: Iterator[Mapping[str, np.ndarray]] = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed; None after the last."""
        found = next(self._feeds, None)
        return None if found is None else dict(found)


def quantise(source: Path, target: Path, feeds: Feeds) -> None:
    """Writes an ONNX file whose convolutions and products with weights are of 8 bits.

    Products of two activations, which attention is made of, softmax, norms and convolutions of modalities' own stay
    float32. Weights have a scale for
    each output channel, activations one from the least and largest value that the feeds bring.

    Args:
        source: A float32 file.
        target: What to write.
        feeds: Inputs to find the ranges of values with.
    """
    tools = needed("onnxruntime.quantization")
    prepared = target.with_suffix(".prepared.onnx")
    tools.shape_inference.quant_pre_process(source, prepared, skip_symbolic_shape=True)
    tools.quantize_static(
        prepared,
        target,
        Reader(feeds),
        quant_format=tools.QuantFormat.QDQ,
        per_channel=True,
        activation_type=tools.QuantType.QInt8,
        weight_type=tools.QuantType.QInt8,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"],
        nodes_to_exclude=_chosen_by_input(prepared),
        extra_options={"MatMulConstBOnly": True},
    )
    prepared.unlink()


def _chosen_by_input(path: Path) -> list[str]:
    """Convolutions whose weights are picked by an input, the modality: they stay float32."""
    graph = needed("onnx").load(path).graph
    stored = {tensor.name for tensor in graph.initializer}
    return [node.name for node in graph.node if node.op_type == "Conv" and node.input[1] not in stored]
