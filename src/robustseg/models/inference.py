"""Where a network may be computed piece by piece, in the processor's cache; without gradients in place as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

_TWICE = ContextVar("_TWICE", default=False)


def in_pieces(tensors: Sequence[Tensor]) -> bool:
    """Whether nothing done to these tensors is recorded, neither for gradients nor by a compiler, and all are on a CPU.

    Under autocast the types of results are PyTorch's business, not ours. Accelerators have memory that is fast enough
    for whole maps.
    """
    return not torch.is_grad_enabled() and _plain(tensors)


def learns_in_pieces(tensors: Sequence[Tensor]) -> bool:
    """Whether gradients are recorded in full precision and by nobody but autograd, of tensors that are all on a CPU.

    There parts of a network have gradients that are written by hand and computed piece by piece.
    """
    return torch.is_grad_enabled() and _plain(tensors) and not _TWICE.get()


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within it networks are computed as a whole and attention by single operations: gradients have gradients."""
    before = _TWICE.set(True)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        _TWICE.reset(before)


def _plain(tensors: Sequence[Tensor]) -> bool:
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    other = torch.compiler.is_compiling() or tracing or torch.is_autocast_enabled("cpu")
    return not other and all(tensor.device.type == "cpu" for tensor in tensors)
