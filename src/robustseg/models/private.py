"""What each modality may have of its own in an encoder, all else being shared, beside the shared form of the same part.

Either form is called in the same way, with the modality of every row. A private part's tensors are called as the shared
part's, with a first dimension more, the modality.

Shapes: N images, M modalities, C channels of a stage, h w its size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from robustseg.models.inference import in_pieces


class SharedNorm(nn.LayerNorm):
    """LayerNorm with the same gain and bias for every modality."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N h w C"]:
        """The normalised rows."""
        return super().forward(x)


class PrivateNorm(nn.Module):
    """LayerNorm with a gain and a bias of each modality's own.

    Args:
        modalities: M.
        width: C.
        eps: Added to the variance.
    """

    def __init__(self, modalities: int, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(modalities, width))
        self.bias = nn.Parameter(torch.zeros(modalities, width))

    def reset_parameters(self) -> None:
        """No gain, no bias."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "N h w C"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        """The normalised rows."""
        normal = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        gain, bias = (F.embedding(modality, own)[:, None, None] for own in (self.weight, self.bias))  # N 1 1 C
        return normal.mul_(gain).add_(bias) if in_pieces([x]) else torch.addcmul(bias, normal, gain)


class SharedPatch(nn.Conv2d):
    """Patch embedding, an overlapping strided convolution, with the same weights for every modality.

    Args:
        channels: Of what comes in.
        width: C, of what goes out.
        kernel: Odd; half of it pads the map on every side.
        stride: How much smaller the map becomes.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__(channels, width, kernel, stride=stride, padding=kernel // 2)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Tensor, "N H W C_in"], modality: Int64[Tensor, " N"]
    ) -> Float[Tensor, "N h w C"]:
        """The smaller map."""
        return super().forward(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class PrivatePatch(nn.Module):
    """Patch embedding with weights of each modality's own, all rows in one convolution of N groups.

    Args:
        modalities: M.
        channels: Of what comes in.
        width: C, of what goes out.
        kernel: Odd; half of it pads the map on every side.
        stride: How much smaller the map becomes.
    """

    def __init__(self, modalities: int, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.zeros(modalities, width, channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(modalities, width))

    def forward(self, x: Float[Tensor, "N H W C_in"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        """The smaller map."""
        maps = convolved(x.permute(0, 3, 1, 2), self.weight[modality], self.bias[modality], self.stride)
        return maps.permute(0, 2, 3, 1).contiguous()


class Identity(nn.Module):
    """A vector for every modality, 0 at the start.

    Args:
        modalities: M.
        width: C.
    """

    def __init__(self, modalities: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(modalities, width))

    def reset_parameters(self) -> None:
        """All modalities are alike."""
        nn.init.zeros_(self.weight)

    def forward(self, modality: Int64[Tensor, " N"]) -> Float[Tensor, "N C"]:
        """The vector of each row's modality."""
        return F.embedding(modality, self.weight)


class NamedPatch(SharedPatch):
    """Patch embedding that all modalities share, with a vector added that tells which modality a row is of.

    Args:
        modalities: M.
        channels: Of what comes in.
        width: C, of what goes out.
        kernel: Odd; half of it pads the map on every side.
        stride: How much smaller the map becomes.
    """

    def __init__(self, modalities: int, channels: int, width: int, kernel: int, stride: int) -> None:
        super().__init__(channels, width, kernel, stride)
        self.identity = Identity(modalities, width)

    def forward(self, x: Float[Tensor, "N H W C_in"], modality: Int64[Tensor, " N"]) -> Float[Tensor, "N h w C"]:
        """The smaller map."""
        return super().forward(x, modality) + self.identity(modality)[:, None, None]


def convolved(
    images: Float[Tensor, "N C_in H W"],
    weight: Float[Tensor, "N C C_in kernel kernel"],
    bias: Float[Tensor, "N C"] | None,
    stride: int,
) -> Float[Tensor, "N C h w"]:
    """Each image by a convolution of its own, all in one of N groups; half of the kernel pads it on every side."""
    # a group's channels one after the other: with the channels last a grouped convolution takes half as long again
    groups = images.contiguous().flatten(0, 1)[None]  # 1 N*C_in H W
    offset = None if bias is None else bias.flatten()
    maps = F.conv2d(groups, weight.flatten(0, 1), offset, stride, weight.shape[-1] // 2, groups=len(images))
    return maps[0].unflatten(0, (len(images), -1))


PRIVATE: tuple[type[nn.Module], ...] = (PrivateNorm, PrivatePatch)
"""The parts of which each modality has its own."""


def tensors_of(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> list[str]:
    """The names of all parameters of the modules of some kinds."""
    return [
        f"{place}.{name}".lstrip(".")
        for place, module in model.named_modules()
        if isinstance(module, kinds)
        for name, _ in module.named_parameters()
    ]
