"""The three calls that everything else is made of: encode, fuse, decode.

Shapes: B batch, M modalities, N encoded images, C channels of a stage, h w its size, K classes, H W image size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from robustseg.models.card import ModelCard
from robustseg.models.decoder import Decoder
from robustseg.models.fusion import ANY_SAMPLE, Encoded, Fused, even_mean, in_order, joined, masked_mean, rows_to_fuse
from robustseg.models.upsampling import labels_at
from robustseg.recipe import Absence


@dataclass(frozen=True)
class Output:
    """What the model makes of a batch.

    Attributes:
        logits: At the images' size, or at the decoder's resolution where that was asked for.
        features: The fused map of every stage.
        encoded: The maps of the single modalities, as rows.
    """

    logits: Float[Tensor, "B K _H _W"]
    features: list[Float[Tensor, "B _C _h _w"]]
    encoded: Encoded

    @property
    def maps(self) -> list[Float[Tensor, "B M _C _h _w"]]:
        """The unfused map of every stage, sample and modality; 0 where absent."""
        return self.encoded.dense


class NoCardError(AttributeError, ValueError):
    """Nobody has told what a network was made for: it was built in Python, not loaded."""


class Segmenter(nn.Module):
    """One encoder for every modality, the mean of those present, one decoder.

    Another network (fusion by attention, a decoder that knows the subset) overrides `encode`, `fuse` or `decode` and
    keeps their shapes: training, evaluation and prediction call nothing else of it.

    Args:
        encoder: `(images "N 3 H W", modality "N") -> maps`.
        decoder: `(Fused, size) -> logits`; size None = at its own resolution, before the bilinear upsampling that
            is its last step.
        absence: "remove": absent modalities leave the mean. "zero": they stay as images of zeros, and the mean
            is over M.
        num_modalities: M.

    Attributes:
        card: What the model was made for; `NoCardError` where nobody has told.
    """

    card: ModelCard

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, *, absence: Absence = "remove", num_modalities: int
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.absence: Absence = absence
        self.num_modalities = num_modalities

    @property
    def has_card(self) -> bool:
        """Whether it is told what the model was made for."""
        return "card" in self.__dict__

    def __getattr__(self, name: str) -> Any:
        if name == "card":
            raise NoCardError(
                "this network has no card, which names its modalities and classes: models of robustseg.load have one; "
                "docs/encoders.md shows how to use a network without"
            )
        return super().__getattr__(name)

    def encode(
        self, images: Float[Tensor, "N 3 H W"], modality: Int64[Tensor, " N"]
    ) -> list[Float[Tensor, "N _C _h _w"]]:
        """The four maps of each normalised image."""
        return self.encoder(images, modality)

    def encode_batch(self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"]) -> Encoded:
        """Encodes the live images of a batch in one go; the content of absent slots is never read.

        Under absence "zero" one zero image per modality is encoded as well: it stands for that modality in every
        sample that lacks it, now or when a smaller subset is fused later.

        Raises:
            ValueError: The number of modalities is not the model's, or a sample has none at all.
        """
        if images.ndim != 5 or images.shape[1] != self.num_modalities:
            raise ValueError(f"images must be B {self.num_modalities} 3 H W for this model, got {tuple(images.shape)}")
        check_present(present, len(images), self.num_modalities)
        sample, modality = present.nonzero(as_tuple=True)
        live = images.flatten(0, 1) if len(sample) == present.numel() else images[sample, modality]  # N 3 H W
        if self.absence == "zero":
            every = torch.arange(self.num_modalities, device=images.device)
            live = torch.cat([live, images.new_zeros(self.num_modalities, *images.shape[2:])])
            sample = torch.cat([sample, torch.full_like(every, ANY_SAMPLE)])
            modality = torch.cat([modality, every])
        return Encoded(self.encode(live, modality), sample, modality, present)

    def fuse(
        self,
        maps: list[Float[Tensor, "N _C _h _w"]],
        sample: Int64[Tensor, " N"],
        modality: Int64[Tensor, " N"],
        present: Bool[Tensor, "B M"],
    ) -> Fused:
        """The mean of each sample's present modalities, stage by stage.

        Only rows that `present` asks for are read, so that one set of encodings serves every subset.

        Raises:
            ValueError: A sample has no modality, or one that is present was not encoded.
        """
        check_present(present, len(present), self.num_modalities)
        row, to = rows_to_fuse(sample, modality, present, self.absence)
        if in_order(row, to, len(maps[0]), len(present)):
            return Fused([even_mean(rows, len(present)) for rows in maps], present)
        return Fused([masked_mean(rows, row, to, len(present)) for rows in maps], present)

    def decode(self, fused: Fused, size: tuple[int, int] | None = None) -> Float[Tensor, "B K H W"]:
        """Logits at `size` (height, width), or as the decoder has them before it upsamples them bilinearly."""
        return self.decoder(fused, size)

    def decode_mixtures(
        self, maps: list[Float[Tensor, "N _C _h _w"]], weights: Float[Tensor, "Q N"]
    ) -> Float[Tensor, "Q K h w"]:
        """`decode` of many weighted means of the same rows, without upsampling; see `shares_decoding`.

        A row that is not finite spoils all of them, whatever its weight.
        """
        return cast(Decoder, self.decoder).mixtures(maps, weights)

    def shares_decoding(self, maps: list[Float[Tensor, "N _C _h _w"]]) -> bool:
        """Whether many means of these maps are decoded faster together: with the standard head and the plain mean."""
        plain = type(self).fuse is Segmenter.fuse and type(self).decode is Segmenter.decode
        return plain and type(self.decoder) is Decoder and self.decoder.tiled(maps)

    def forward(self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None = None) -> Output:
        """Encode, fuse and decode.

        Args:
            images: Normalised; an absent modality's slot may hold anything.
            present: Which modalities each sample has; None = all.

        Raises:
            ValueError: The number of modalities is not the model's, or a sample has none at all.
        """
        encoded, fused = self._seen(images, present)
        return Output(self.decode(fused, (images.shape[-2], images.shape[-1])), fused.maps, encoded)

    def coarse(self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None = None) -> Output:
        """What `forward` gives, but the logits before the bilinear upsampling that is the decoder's last step.

        For losses, which upsample them themselves. Args and errors are those of `forward`.
        """
        return self.answers(images, _all_of(images, present)[:, None])

    def answers(self, images: Float[Tensor, "B M 3 H W"], subsets: Bool[Tensor, "B D M"]) -> Output:
        """What `coarse` gives for each of D subsets of every sample, all from one encoding of what any of them holds.

        Logits and features are of D*B answers: those to every sample's first subset come first.

        Raises:
            ValueError: The number of modalities is not the model's, or a subset is empty.
        """
        return self.answers_from(self.encode_batch(images, subsets.any(dim=1)), subsets)

    def answers_from(self, encoded: Encoded, subsets: Bool[Tensor, "B D M"]) -> Output:
        """The same for subsets of what was encoded before.

        Raises:
            ValueError: A subset is empty or holds what was not encoded.
        """
        fused = [self.fuse(encoded.maps, encoded.sample, encoded.modality, subset) for subset in subsets.unbind(1)]
        together = fused[0] if len(fused) == 1 else joined(fused)
        return Output(self.decode(together), together.maps, encoded)

    @torch.inference_mode()
    def labels(
        self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None = None
    ) -> Int64[Tensor, "B H W"]:
        """The most likely class of each pixel: faster than `forward`, as logits of the images' size are never made.

        Args and errors are those of `forward`.
        """
        return labels_at(self.logits(images, present), (images.shape[-2], images.shape[-1]))

    def logits(
        self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None = None
    ) -> Float[Tensor, "B K h w"]:
        """The logits of `forward` before they are upsampled. Args and errors are those of `forward`."""
        _, fused = self._seen(images, present)
        return self.decode(fused)

    def _seen(self, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None) -> tuple[Encoded, Fused]:
        """What is encoded and fused of a batch."""
        present = _all_of(images, present)
        encoded = self.encode_batch(images, present)
        return encoded, self.fuse(encoded.maps, encoded.sample, encoded.modality, present)


def _all_of(images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"] | None) -> Bool[Tensor, "B M"]:
    """What is present; None = all."""
    return torch.ones(images.shape[:2], dtype=torch.bool, device=images.device) if present is None else present


def check_present(present: Bool[Tensor, "B M"], batch: int, modalities: int) -> None:
    """Raises ValueError unless `present` is B M, bool, and leaves every sample at least one modality."""
    if present.dtype != torch.bool or tuple(present.shape) != (batch, modalities):
        raise ValueError(
            f"present must be a bool tensor of shape ({batch}, {modalities}), "
            f"got {present.dtype} {tuple(present.shape)}"
        )
    empty = (~present.any(dim=1)).nonzero().squeeze(1).tolist()
    if empty:
        raise ValueError(f"no modality is present in row {', '.join(map(str, empty))} of the batch; skip such samples")
