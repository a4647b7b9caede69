"""Images of any sensors in, labels and confidence out.

Every image is encoded once: a frame in which one image is new costs one encoding, and what the answer loses without a
sensor costs none. Frames too large for memory are cut into tiles.

Shapes: M modalities, K classes, C channels of a stage, h w its size, H W size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped, UInt8
from torch import Tensor

from robustseg.data.resizing import resized_frame
from robustseg.deploy.answering import Answer, Answering, Maps, Wanted
from robustseg.deploy.images import image_of, place_of, stack_images
from robustseg.deploy.tiling import Tile, assembled, most_pixels, resized_answer, tiles
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise

MEMORY = 4_000_000_000
"""Bytes that one frame may take by default."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model sees in one frame.

    Attributes:
        labels: Train ids.
        confidence: Probability of the label, 0..1: calibrated for the number of modalities it had if the model's card
            has temperatures, else as the network states it.
        used: Names of the modalities it had.
        without: Names of the modalities it did without.
        probabilities: Of all classes, 0..1, calibrated in the same way; None if not asked for.
        worth: Of each sensor that was used, what the label's probability loses at every pixel if that sensor is left
            out, -1..1, below 0 where it misleads; what the last one loses is all above the class's share of the
            training pixels. None if not asked for.
        tiled: Whether the frame was cut into tiles, each of which knows nothing of what lies outside it.
    """

    labels: UInt8[np.ndarray, "H W"]
    confidence: Float[np.ndarray, "H W"]
    used: tuple[str, ...]
    without: tuple[str, ...]
    probabilities: Float[np.ndarray, "K H W"] | None = None
    worth: dict[str, Float[np.ndarray, "H W"]] | None = None
    tiled: bool = False


@dataclass(frozen=True, eq=False)
class Encoding:
    """One image of one modality, as the network sees it.

    Attributes:
        place: The modality's, in the model's order.
        image: A copy of what was given, in the modality's unit.
        inputs: Normalised, at the size at which the network looks.
        maps: One per stage; none of a frame that is tiled, whose tiles are encoded when it is answered.
    """

    place: int
    image: Float[Tensor, "3 H W"]
    inputs: Float[Tensor, "3 _h _w"]
    maps: Maps

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, and so of the answer."""
        return self.image.shape[-2], self.image.shape[-1]

    @property
    def looked(self) -> tuple[int, int]:
        """Height and width at which the network looks."""
        return self.inputs.shape[-2], self.inputs.shape[-1]


class Predictor:
    """A model that takes what there is, by name, and reads, normalises and pads it as the model needs.

    The last image of each modality stays encoded: given again, it is not encoded again. Not for several threads at
    once.

    Args:
        model: From `robustseg.load`; it is put in evaluation mode.
        memory: Bytes that encoding and decoding a frame may take on a CPU; a frame that needs more is tiled, see
            `robustseg.deploy.tiling`. Answers come on top: probabilities are 4 * K * H * W bytes, and a tile's again.

    Raises:
        ValueError: That is too little memory for this model.
    """

    def __init__(self, model: Segmenter, memory: float = MEMORY) -> None:
        self.model = model.eval()
        self.modalities: tuple[Modality, ...] = model.card.modalities
        self._answering = Answering(model)
        self._pixels = most_pixels(model.card, memory)
        self._last: dict[int, Encoding] = {}

    def __call__(
        self,
        images: Mapping[str, Shaped[np.ndarray, ...] | Shaped[Tensor, ...] | None],
        *,
        size: tuple[int, int] | None = None,
        probabilities: bool = False,
        worth: bool = False,
    ) -> Prediction:
        """Labels every pixel from the modalities that are given.

        Args:
            images: Any non-empty choice of the model's modalities, None standing for one that is not there; "H W 3", or
                "H W" for three equal channels, in each modality's own unit (8-bit counts, metres, ...), all of one
                size and registered; colours in the order of the training files, red, green, blue as a rule (OpenCV
                reads blue first: `image[..., ::-1]`).
            size: Height and width at which the network looks; None = what training frames were resized to, else
                the images' own. Labels have the images' size in any case.
            probabilities: Tell those of all classes, too: 4 * K * H * W bytes that `memory` does not hold.
            worth: Tell at every pixel what each sensor is worth to the answer.

        Raises:
            ValueError: No image, an unknown name, an image that is no image, different sizes, NaN.
        """
        stacked, present = stack_images(images, self.modalities)
        return self.predict(stacked, present, size=size, probabilities=probabilities, worth=worth)

    def predict(
        self,
        images: Float[Tensor, "M 3 H W"],
        present: Bool[Tensor, " M"],
        *,
        size: tuple[int, int] | None = None,
        probabilities: bool = False,
        worth: bool = False,
    ) -> Prediction:
        """Labels a frame given as a `Sample` holds it; slots that are not present may hold anything."""
        encodings = self._encoded({place: images[place] for place in present.nonzero().flatten().tolist()}, size)
        return self.answer(encodings, probabilities=probabilities, worth=worth)

    def encode(
        self, name: str, image: Shaped[np.ndarray, ...] | Shaped[Tensor, ...], *, size: tuple[int, int] | None = None
    ) -> Encoding:
        """One image of one modality, to be answered from as often as wanted, with whatever others.

        Raises:
            ValueError: An unknown name, an image that is no image, NaN.
        """
        place = place_of(name, self.modalities)
        return self._encoded({place: image_of(image, self.modalities[place])}, size)[0]

    @torch.inference_mode()
    def answer(self, encodings: Sequence[Encoding], *, probabilities: bool = False, worth: bool = False) -> Prediction:
        """Labels every pixel from images that are encoded, one of each modality at most.

        Raises:
            ValueError: There is none, two are of one modality, or their sizes differ.
        """
        encodings = self._together(encodings)
        wanted = Wanted(probabilities=probabilities, worth=worth)
        answer = self._answer(encodings, wanted) if encodings[0].maps else self._tiled(encodings, wanted)
        used = {encoding.place for encoding in encodings}
        names = [modality.name for modality in self.modalities]
        return Prediction(
            labels=answer.labels.cpu().numpy(),
            confidence=answer.confidence.cpu().numpy(),
            used=tuple(name for place, name in enumerate(names) if place in used),
            without=tuple(name for place, name in enumerate(names) if place not in used),
            probabilities=None if answer.probabilities is None else answer.probabilities.cpu().numpy(),
            worth={name: values.cpu().numpy() for name, values in answer.worth.items()} if worth else None,
            tiled=not encodings[0].maps,
        )

    def forget(self) -> None:
        """Drops what is encoded: as after a change of the model's weights."""
        self._last.clear()

    @torch.inference_mode()
    def _encoded(self, images: Mapping[int, Float[Tensor, "3 H W"]], size: tuple[int, int] | None) -> list[Encoding]:
        """The encodings of images by place: those that are new are encoded together."""
        size = size or self.model.card.resize
        new = {place: image for place, image in images.items() if not self._is_known(place, image, size)}
        if new:
            inputs = {place: self._looked_at(place, image, size) for place, image in new.items()}
            maps = self._maps(inputs)
            for place, image in new.items():
                self._last[place] = Encoding(place, image.clone(), inputs[place], maps[place])
        return [self._last[place] for place in images]

    def _is_known(self, place: int, image: Float[Tensor, "3 H W"], size: tuple[int, int] | None) -> bool:
        last = self._last.get(place)
        return last is not None and last.looked == (size or last.size) and torch.equal(last.image, image)

    def _looked_at(
        self, place: int, image: Float[Tensor, "3 H W"], size: tuple[int, int] | None
    ) -> Float[Tensor, "3 _h _w"]:
        """An image as the network sees it."""
        modality = self.modalities[place]
        if size is not None and size != tuple(image.shape[-2:]):
            image = resized_frame(image[None], size, [modality])[0]
        return normalise(image[None].to(self._answering.device), [modality])[0]

    def _maps(self, inputs: Mapping[int, Float[Tensor, "3 _h _w"]]) -> dict[int, Maps]:
        """The maps of images of one size; none of those that are to be tiled."""
        h, w = next(iter(inputs.values())).shape[-2:]
        if len(tiles((h, w), self._pixels)) > 1:
            return dict.fromkeys(inputs, ())
        return self._answering.encode(inputs)

    def _together(self, encodings: Sequence[Encoding]) -> list[Encoding]:
        """In the model's order."""
        encodings = sorted(encodings, key=lambda encoding: encoding.place)
        if not encodings:
            raise ValueError("nothing is encoded that could be answered from")
        found = [self.modalities[encoding.place].name for encoding in encodings]
        twice = [name for place, name in enumerate(found) if name in found[:place]]
        if twice:
            raise ValueError(f"{twice[0]}: two encodings of one modality; give the one that counts")
        for key in ("size", "looked"):
            sizes = [getattr(encoding, key) for encoding in encodings]
            if len(set(sizes)) > 1:
                listed = ", ".join(f"{name} {h}x{w}" for name, (h, w) in zip(found, sizes, strict=True))
                raise ValueError(f"all images of a frame must have one size (height x width); got {listed}")
        return encodings

    def _answer(self, encodings: Sequence[Encoding], wanted: Wanted) -> Answer:
        first = encodings[0]
        maps = {encoding.place: encoding.maps for encoding in encodings}
        return self._answering.answer(maps, shown=first.looked, size=first.size, wanted=wanted)

    def _tiled(self, encodings: Sequence[Encoding], wanted: Wanted) -> Answer:
        first = encodings[0]
        return resized_answer(assembled(self._parts(encodings, wanted), first.looked), first.size)

    def _parts(self, encodings: Sequence[Encoding], wanted: Wanted) -> Iterator[tuple[Tile, Answer]]:
        """Each tile with its answer, one at a time."""
        for tile in tiles(encodings[0].looked, self._pixels):
            maps = self._answering.encode({encoding.place: tile.cut(encoding.inputs) for encoding in encodings})
            yield tile, self._answering.answer(maps, shown=tile.size, size=tile.size, wanted=wanted)
