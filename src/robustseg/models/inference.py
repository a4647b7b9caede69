"""Where a network may be computed piece by piece, in place and in the processor's cache."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def in_pieces(tensors: Sequence[Tensor]) -> bool:
    """Whether nothing done to these tensors is recorded, neither for gradients nor by a compiler, and all are on a CPU.

    Accelerators have memory that is fast enough for whole maps.
    """
    tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
    recorded = torch.is_grad_enabled() or torch.compiler.is_compiling() or tracing
    return not recorded and all(tensor.device.type == "cpu" for tensor in tensors)
