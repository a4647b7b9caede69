"""Whether exported files answer as the model in PyTorch does, for every set of modalities.

The model is asked in its own eager way; absent slots of what the files are given hold NaN.

Shapes: B batch, M modalities, S subsets, H W image size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from robustseg.data.resizing import padded
from robustseg.deploy.export.manifest import Parity
from robustseg.deploy.export.runtimes import Arrays
from robustseg.failures.subsets import FEW_ABOVE, all_subsets, few_subsets, keep_some
from robustseg.modalities import Modality
from robustseg.models.segmenter import Segmenter
from robustseg.normalisation import normalise
from robustseg.robustness.calibration import most_likely, temperature_of

LARGEST_DIFFERENCE = 1e-3
LEAST_EQUAL = 0.9999
LARGEST_SIDE = 512
"""Images for the check are no larger than that."""

DRAWN = 32
"""Subsets that are drawn above 6 modalities, beside each alone, all but one, all."""

Answers = Callable[[np.ndarray, np.ndarray], Arrays]
"""`(images, present) -> outputs`, as `Deployed` is called."""
Progress = Callable[[int, int], None]


def check_parity(
    model: Segmenter, deployed: Answers, *, seed: int = 0, progress: Progress = lambda done, total: None
) -> Parity:
    """Compares exported files with the model: each subset of a frame, and a batch of another size and mixed subsets.

    Args:
        model: In evaluation mode, on the CPU, with a card.
        deployed: The files.
        seed: Of the images, and of subsets where there are too many for all.
        progress: Told of (done, all) comparisons.
    """
    generator = torch.Generator().manual_seed(seed)
    subsets = compared_subsets(model.num_modalities, generator)
    height, width = (min(side, LARGEST_SIDE) for side in model.card.resize or model.card.input_size)
    frame = random_frames(model.card.modalities, 1, (height, width), generator)
    odd = random_frames(model.card.modalities, 2, (height + 5, width + 9), generator)
    mixed = drawn_subsets(2, model.num_modalities, generator)
    batches = [*((frame, subset[None]) for subset in subsets), (odd, mixed)]
    pixels, equal, largest, name = 0, 0, [], "confidence"
    for done, (images, present) in enumerate(batches, start=1):
        expected = expected_outputs(model, images, present)
        dirty = images.masked_fill(~present[:, :, None, None, None], torch.nan)
        found = deployed(dirty.numpy(), present.numpy())
        name = "logits" if "logits" in found else "confidence"
        largest.append(float(np.abs(found[name] - expected[name]).max()))
        equal += int((labels_of(found) == expected["labels"]).sum())
        pixels += expected["labels"].size
        progress(done, len(batches))
    return Parity(len(subsets), pixels, name, float(np.max(largest)), equal / pixels)


def require_parity(parity: Parity) -> None:
    """Raises ValueError unless the files answer as the model does; NaN does not."""
    if not (parity.largest_difference <= LARGEST_DIFFERENCE and parity.equal_labels >= LEAST_EQUAL):
        raise ValueError(
            f"the exported files answer differently from the model: {parity.compared} by up to "
            f"{parity.largest_difference:.3g} (at most {LARGEST_DIFFERENCE:g} is right), "
            f"{100 * parity.equal_labels:.4f} % equal labels (at least {100 * LEAST_EQUAL:g} %); nothing was written. "
            "Another --format may do; please report it"
        )


def compared_subsets(count: int, generator: torch.Generator) -> Bool[Tensor, "S M"]:
    """All subsets of up to 6 modalities; of more each alone, all but one, all, and some that are drawn."""
    if count <= FEW_ABOVE:
        return all_subsets(count)
    return torch.cat([few_subsets(count), drawn_subsets(DRAWN, count, generator)]).unique(dim=0)


def drawn_subsets(number: int, count: int, generator: torch.Generator) -> Bool[Tensor, "S M"]:
    """So many subsets of `count` modalities, none empty."""
    noise = torch.rand(number, count + 1, generator=generator)
    return keep_some(torch.ones(number, count, dtype=torch.bool), noise)


def labels_of(outputs: Arrays) -> Integer[np.ndarray, "B H W"]:
    """The train ids in what exported files gave: their own, or those of their logits."""
    return outputs["labels"] if "labels" in outputs else outputs["logits"].argmax(axis=1)


def random_frames(
    modalities: Sequence[Modality], batch: int, size: tuple[int, int], generator: torch.Generator
) -> Float[Tensor, "B M 3 H W"]:
    """Images of blobs and noise in the modalities' units, with about their mean and spread."""
    shape = (batch * len(modalities), 3)
    small = torch.randn(*shape, 5, 7, generator=generator)
    blobs = torch.nn.functional.interpolate(small, size=size, mode="bicubic", align_corners=False)
    noise = 0.3 * torch.randn(*shape, *size, generator=generator)
    mean, std = (
        torch.tensor([getattr(modality, name) for modality in modalities])[..., None, None] for name in ("mean", "std")
    )
    return (blobs + noise).unflatten(0, (batch, -1)) * std + mean


@torch.inference_mode()
def expected_outputs(
    model: Segmenter, images: Float[Tensor, "B M 3 H W"], present: Bool[Tensor, "B M"]
) -> dict[str, np.ndarray]:
    """What the model answers, by the outputs' names; to images that are too small, as they are padded."""
    inputs = padded(normalise(images, model.card.modalities))
    logits = model(inputs, present).logits
    confidence, labels = most_likely(logits, temperature_of(model.card.temperatures, present))
    return {"labels": labels.numpy(), "confidence": confidence.numpy(), "logits": logits.numpy()}
