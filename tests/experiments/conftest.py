"""Results without training: random counts that depend on how good a method is meant to be, and on its seed."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from robustseg.experiments.result import Made, Result, Selection, found_rows
from robustseg.failures import all_subsets
from robustseg.recipe import Recipe
from robustseg.robustness import Evaluation

MODALITIES = ("rgb", "depth", "event", "lidar")
SHARES = {"rgb": 0.5, "depth": 0.4, "event": 0.2, "lidar": 0.45}


def made_evaluation(
    modalities: tuple[str, ...] = MODALITIES, *, skill: float = 1.0, frames: int = 12, classes: int = 4, seed: int = 0
) -> Evaluation:
    """What a sensor sees adds up; frames are alike for all methods, luck is of the seed."""
    subsets = all_subsets(len(modalities))
    share = skill * torch.tensor([SHARES.get(name, 0.3) for name in modalities], dtype=torch.float64)
    luck = torch.Generator().manual_seed(seed)
    seen = 1 - (1 - share).pow(subsets).prod(dim=1)  # S
    seen = (seen + 0.02 * torch.randn(len(seen), generator=luck)).clamp(0.02, 0.98)
    pixels = torch.randint(50, 400, (frames, 1, classes), generator=torch.Generator().manual_seed(99))
    hardness = 0.15 * torch.randn(frames, 1, classes, generator=torch.Generator().manual_seed(98))
    hit = (pixels * (seen[None, :, None] + hardness).clamp(0.01, 0.99)).long()
    missed = pixels - hit
    counts = torch.stack([hit, missed.roll(1, dims=-1), missed], dim=-1)
    return Evaluation(
        counts=counts,
        scored=torch.ones(frames, len(subsets), dtype=torch.bool),
        subsets=subsets,
        frames=tuple(f"frame{place}" for place in range(frames)),
        tags=({},) * frames,
        modalities=modalities,
        sensors=modalities,
        classes=tuple(f"class {place}" for place in range(classes)),
        split="val",
    )


def made_result(
    method: str = "kl", seed: int = 1, *, stage: str = "student", modalities: tuple[str, ...] = MODALITIES, **skill
) -> Result:
    """A result as `robustseg compare` would write it, of made-up counts."""
    found = made_evaluation(modalities, seed=seed, **skill)
    epochs = range(2, 41, 2)
    full = found_rows(found)
    end = (full.all if stage == "teacher" else full.mean) or 0.0
    noise = torch.randn(len(epochs), generator=torch.Generator().manual_seed(seed)).tolist()
    scores = tuple((e, end * (1 - 0.6**e) + 0.6 * n) for e, n in zip(epochs, noise, strict=True))
    return Result(
        method=method,
        seed=seed,
        stage=stage,
        teacher="" if stage == "teacher" else "teacher",
        start="" if stage == "teacher" else "teacher",
        recipe=Recipe(),
        fingerprints={"train": "0" * 16, "val": "1" * 16},
        selection=Selection("holdout", 38, scores),
        made=Made(12.5 + seed / 10, 1_000_000, 0.42, "2026-11-23", "2.13.0", 1, "0.1.0", "0" * 64),
        modalities=modalities,
        classes=found.classes,
        absent="zero",
        protocols={"emm": full},
        frames=found.frames,
        sequences=tuple(f"scene{place // 3}" for place in range(len(found.frames))),
    )


@pytest.fixture
def evaluated() -> Callable[..., Evaluation]:
    return made_evaluation


@pytest.fixture
def result() -> Callable[..., Result]:
    return made_result


@pytest.fixture
def results() -> Callable[..., dict]:
    """Method -> skill becomes results with several seeds by (method, seed)."""

    def make(skills: dict[str, float], seeds: tuple[int, ...] = (1, 2, 3)) -> dict:
        found = {}
        for place, (name, skill) in enumerate(skills.items()):
            stage = "teacher" if name == "teacher" else "student"
            for seed in seeds:
                entry = made_result(name, seed + 10 * place, stage=stage, skill=skill)
                found[name, seed] = replace(entry, seed=seed)
        return found

    return make
