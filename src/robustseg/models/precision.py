"""A trained model in fewer bits, to be used and not trained: faster where the processor computes in them.

The encoder's weights and everything that flows are rounded; weights that are multiplied with each other beforehand are
rounded after that, sums inside a product are of 32 bits, and logits come out as float32. So the calls are the same:
`encode`, `fuse`, `decode`, `labels`, `model(images, present)`.
"""

from __future__ import annotations

import copy
import platform
import warnings
from functools import lru_cache
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robustseg.models.segmenter import Segmenter

PRECISIONS: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
COMPUTED = "computed in"
"""How notes on scores in other precisions begin."""

_BF16_FLAGS = {"avx512_bf16", "avx_ne_convert", "amx_bf16", "bf16"}
"""What processors call it, those of Arm the last."""


class LowEncoder(nn.Module):
    """An encoder that computes in few bits: its weights are rounded here, images as they come.

    Args:
        encoder: `(images "N 3 H W", modality "N") -> maps`; its weights are changed in place.
        dtype: bfloat16 or float16.
    """

    def __init__(self, encoder: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.encoder = encoder.to(dtype)
        self.dtype = dtype

    def forward(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N _C _h _w"]]:
        """The maps, in `dtype`."""
        return self.encoder(images.to(self.dtype), modality)

    def train(self, mode: bool = True) -> LowEncoder:
        """As of any module in evaluation mode; raises ValueError for training mode."""
        if mode:
            raise ValueError("a model in reduced precision cannot be trained: load it in fp32")
        return super().train(mode)


def in_precision(model: Segmenter, name: str) -> Segmenter:
    """The model in some precision, in evaluation mode, on the device where it is.

    Args:
        model: In fp32; it stays as it is.
        name: "fp32" = the model itself; "bf16" on CPUs and GPUs, "fp16" on GPUs.

    Raises:
        ValueError: There is no such precision, not on this device, or the model is in another one than fp32 already.
    """
    if name not in PRECISIONS:
        raise ValueError(f"there is no precision {name!r}; choose one of {', '.join(PRECISIONS)}")
    known = precision_of(model)
    if name == known:
        return model
    if known != "fp32":
        raise ValueError(f"the model is in {known} already: load it anew to have it in {name}")
    _check_device(next(model.parameters()).device, name)
    lowered = copy.deepcopy(model).eval().requires_grad_(False)
    for part, module in lowered.named_children():
        if part not in ("encoder", "decoder"):  # these round their weights themselves, the decoder's after products
            module.to(PRECISIONS[name])
    lowered.encoder = LowEncoder(lowered.encoder, PRECISIONS[name]).eval()
    return lowered


def precision_of(model: Segmenter) -> str:
    """What the model's encoder computes in."""
    dtype = next((parameter.dtype for parameter in model.encoder.parameters()), torch.float32)
    return next((name for name, known in PRECISIONS.items() if known == dtype), str(dtype).removeprefix("torch."))


def precision_note(model: Segmenter) -> str:
    """What a reader of a model's scores must know of its precision; empty = it is fp32."""
    name = precision_of(model)
    return "" if name == "fp32" else f"{COMPUTED} {name}"


def _check_device(device: torch.device, name: str) -> None:
    """Raises ValueError where a precision cannot be had, and warns where it is slow."""
    if device.type == "cuda":
        return
    if device.type != "cpu" or name == "fp16":
        raise ValueError(f"{name} is for {'CPUs and GPUs' if name == 'bf16' else 'GPUs'}, the model is on {device}")
    flags = processor_flags()
    if flags and not flags & _BF16_FLAGS:
        warnings.warn(
            f"this processor ({platform.machine()}) has no bfloat16 arithmetic: bf16 is emulated here, and slower than "
            "fp32",
            stacklevel=3,
        )


@lru_cache(maxsize=1)
def processor_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """What the processor can do, in Linux's words; empty where that is not known."""
    if not path.is_file():
        return frozenset()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() in ("flags", "features"):
            return frozenset(value.split())
    return frozenset()
