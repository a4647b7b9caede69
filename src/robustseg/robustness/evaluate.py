"""Every subset of modalities from one encoding per modality and frame.

Shapes: B batch, F frames, S subsets, M modalities, K classes, H W size; counts end in TP, FP, FN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from robustseg.build import find_device
from robustseg.data.resizing import padded
from robustseg.data.sample import Batch, Frames, Sample, collate
from robustseg.failures import evaluation_subsets
from robustseg.labels import class_names
from robustseg.metrics import count
from robustseg.modalities import Modality, normalise
from robustseg.models.released import ORIGIN
from robustseg.models.segmenter import Segmenter
from robustseg.robustness.evaluation import Evaluation

Progress = Callable[[int, int], None]
"""Called with (frames done, frames in all)."""


def evaluate(
    model: Segmenter,
    frames: Frames,
    *,
    protocol: Literal["emm"] = "emm",
    subsets: Literal["auto", "all", "few"] = "auto",
    batch_size: int = 8,
    device: torch.device | str | None = None,
    progress: Progress | None = None,
    split: str = "",
) -> Evaluation:
    """Scores a model on every subset of its modalities.

    A frame that lacks some modality is scored with what it has of each subset; where it has nothing of one, it does not
    count for that subset, see `Evaluation.scored`. Frames may differ in size; neighbours of one size share a batch.

    Args:
        model: With a card; it is left in the mode it was in.
        frames: Of the model's modalities and classes, with labels.
        protocol: "emm": entire modalities are missing.
        subsets: "auto" = all of up to 6 modalities, above that singles, leave-one-out and full.
        batch_size: Frames encoded at a time.
        device: Where to compute; "auto" = a GPU if there is one, None = where the model is.
        progress: Called with (done, all) after every batch.
        split: What the frames are, for tables.

    Raises:
        ValueError: The frames are not of the model's modalities and classes, no pixel is labelled, or there
            is no such device.
    """
    if protocol != "emm":
        raise ValueError(f"protocol must be emm, got {protocol!r}")
    check_frames(model, frames)
    rows = evaluation_subsets(len(frames.modalities), subsets)
    where = find_device(device) if device is not None else next(model.parameters()).device
    training = model.training
    model.to(where).eval()
    counts, scored, names, tags = [], [], [], []
    with torch.inference_mode():
        for batch in batches(frames, batch_size):
            images = normalise(batch.images.to(where), model.card.modalities)
            counts.append(count_subsets(model, batch, images, rows).cpu())
            scored.append((batch.present[:, None] & rows).any(dim=2))  # B S
            names.extend(batch.names)
            tags.extend(batch.tags)
            if progress:
                progress(len(names), len(frames))
    model.train(training)
    if not any(bool(part.any()) for part in counts):
        raise ValueError(f"none of the {len(frames)} frames has a labelled pixel: there is nothing to score")
    return Evaluation(
        counts=torch.cat(counts).clone(),
        scored=torch.cat(scored).clone(),
        subsets=rows,
        frames=tuple(names),
        tags=tuple(tags),
        modalities=tuple(modality.name for modality in frames.modalities),
        sensors=tuple(modality.device for modality in frames.modalities),
        classes=tuple(entry.name for entry in frames.classes),
        split=split,
        protocol=protocol,
        absence=model.card.absence,
    )


def count_subsets(
    model: Segmenter, batch: Batch, images: Float[Tensor, "B M 3 H W"], subsets: Bool[Tensor, "S M"]
) -> Int64[Tensor, "B S K 3"]:
    """TP, FP, FN of a batch for every subset: each image is encoded once, then fused and decoded per subset.

    Gradient and training mode are the caller's business.

    Args:
        model: With `encode_batch`, `fuse` and `decode`.
        batch: For its labels and what it has.
        images: The batch's images, normalised, where the model is; small ones are padded as in prediction. Where labels
            have another size, the logits are brought to it.
        subsets: Of its modalities; a sample that has nothing of one counts 0 there.
    """
    available, labels = batch.present.to(images.device), batch.labels.to(images.device)
    height, width = images.shape[-2:]
    images = padded(images)
    encoded = model.encode_batch(images, available)
    counts = []
    for subset in subsets.to(images.device):
        present = available & subset  # B M
        empty = ~present.any(dim=1)  # B; fused from what there is, then not counted
        fused = model.fuse(encoded.maps, encoded.sample, encoded.modality, present | (available & empty[:, None]))
        logits = model.decode(fused, (images.shape[-2], images.shape[-1]))[..., :height, :width]
        if labels.shape[1:] != (height, width):  # labels of a size of their own are scored at that size
            logits = F.interpolate(logits, size=labels.shape[1:], mode="bilinear", align_corners=False)
        predictions = logits.max(dim=1).indices  # on CPUs several times as fast as argmax
        counts.append(count(predictions, labels, logits.shape[1]) * ~empty[:, None, None])
    return torch.stack(counts, dim=1)


def batches(frames: Frames, batch_size: int) -> Iterator[Batch]:
    """All frames in order; a batch ends early where the size changes."""
    if batch_size < 1:
        raise ValueError(f"a batch has at least one frame, got batch_size {batch_size}")
    waiting: list[Sample] = []
    for place in range(len(frames)):
        sample = frames[place]
        full = len(waiting) == batch_size
        if waiting and (full or _sizes(waiting[0]) != _sizes(sample)):
            yield collate(waiting, range(place - len(waiting), place))
            waiting = []
        waiting.append(sample)
    if waiting:
        yield collate(waiting, range(len(frames) - len(waiting), len(frames)))


def _sizes(sample: Sample) -> tuple[torch.Size, torch.Size]:
    return sample.images.shape, sample.labels.shape


def check_frames(model: Segmenter, frames: Frames) -> None:
    """Raises ValueError unless the frames have the model's modalities, read in its way, and classes, in its order.

    Converted checkpoints do not know how their modalities were read, and of classes only numbers: what they do not know
    is not compared.
    """
    if len(frames) == 0:
        raise ValueError("there is no frame to look at")
    known, got = _names(model.card.modalities), _names(frames.modalities)
    if known != got:
        raise ValueError(f"the model's modalities are {', '.join(known)}, the data's {', '.join(got)}")
    converted = model.card.origin == ORIGIN and not model.card.labels
    if not converted:
        for trained, given in zip(model.card.modalities, frames.modalities, strict=True):
            _check_reading(trained, given)
    if len(model.card.classes) != len(frames.classes):
        raise ValueError(f"the model has {len(model.card.classes)} classes, the data {len(frames.classes)}")
    ours, theirs = class_names(model.card.classes), class_names(frames.classes)
    differ = [(place, a, b) for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a and b and a != b]
    if differ:
        place, a, b = differ[0]
        raise ValueError(
            f"class {place} is {a!r} to the model and {b!r} in the data, one of {len(differ)} that differ: "
            "give the classes in the model's order and by its names"
        )


def _check_reading(trained: Modality, given: Modality) -> None:
    """Raises ValueError unless both turn the same files into the same three channels."""
    for key in ("scale", "offset", "channels"):
        ours, theirs = getattr(trained, key), getattr(given, key)
        if ours != theirs:
            raise ValueError(
                f"the model reads modality {given.name!r} with {key} {_shown(ours)}, the data with {_shown(theirs)}: "
                "describe the sensor as in the model's training"
            )


def _shown(value: float | tuple[str, ...]) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)


def _names(modalities: tuple[Modality, ...]) -> list[str]:
    return [modality.name for modality in modalities]
