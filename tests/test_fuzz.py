"""Whatever is in a file: one clear error that names it, or a result of the right kind; little memory, little time."""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from damage import Draw, damaged, odd_header, odd_json
from PIL import Image
from profiles import random_profile

from robustseg.benchmark.memory import MEGA, forget_peak, held
from robustseg.build import load
from robustseg.data import reading
from robustseg.data.reading import read_image
from robustseg.deploy.health.profile import load_profiles, save_profiles
from robustseg.files import sha256
from robustseg.models.card import SEAL
from robustseg.models.released import read_checkpoint
from robustseg.models.segmenter import Segmenter
from robustseg.models.weights import save_model
from robustseg.recipe import Recipe
from robustseg.recipe_file import read_recipe, write_recipe
from robustseg.robustness import Evaluation
from robustseg.robustness import load as load_evaluation
from robustseg.robustness import save as save_evaluation

FAST, SLOW = 308, 10_000
WEIGHTS = "a" * 64
LIMIT = 2**22
"""Bytes of an image, in these tests."""

MEMORY = 16 * LIMIT
"""Bytes by which a case may let the process grow: a few times the limit, and what allocators keep."""

STRANGE = {".json": odd_json, ".yaml": odd_json, ".safetensors": odd_header}
"""How half of the damage is done to files of these kinds, so that it reaches beyond their syntax."""

SECONDS = 5.0
"""Of the processor, for one case."""


@dataclass(frozen=True)
class Subject:
    """A kind of file, or of folder.

    Attributes:
        files: What an intact one holds.
        read: The way in; gives a result or raises.
        good: Whether a result is of the right kind.
        sign: Makes hashes agree again, so that damage gets past them.
    """

    files: Mapping[str, bytes]
    read: Callable[[Path, Draw], Any]
    good: Callable[[Any], bool]
    sign: Callable[[Path], None] | None = None


@pytest.fixture(scope="module")
def subjects(tmp_path_factory, toy_model) -> dict[str, Subject]:
    place = tmp_path_factory.mktemp("intact")
    found = {
        name: Subject({name: content}, _image, _is_image, sign_png if name.endswith(".png") else None)
        for name, content in pictures(place).items()
    }
    save_model(place / "model", toy_model, toy_model.card)
    found["model"] = Subject(contents(place / "model"), lambda folder, _: load(folder), _is_toy, sign_model)
    save_profiles(place / "health", {"rgb": random_profile(), "lidar": random_profile()}, WEIGHTS)
    found["health"] = Subject(contents(place / "health"), lambda folder, _: _told(folder), _is_told)
    write_recipe(place / "recipe.yaml", Recipe())
    recipe = {"recipe.yaml": (place / "recipe.yaml").read_bytes()}
    found["recipe"] = Subject(recipe, lambda folder, _: read_recipe(folder / "recipe.yaml"), _is_recipe)
    found["checkpoint"] = Subject(checkpoint(place, new=True), _checkpoint, _is_state)
    found["old checkpoint"] = Subject(checkpoint(place, new=False), _checkpoint, _is_state)
    return found


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory) -> Callable[[Evaluation], Subject]:
    def make(evaluation: Evaluation) -> Subject:
        place = tmp_path_factory.mktemp("evaluated")
        save_evaluation(evaluation, place)
        return Subject(contents(place), lambda folder, _: used(load_evaluation(folder)), _is_scores, sign_evaluation)

    return make


PICTURES = (
    *("colour.png", "grey.png", "deep.png", "deep_colour.png", "palette.png", "bits.png", "colour.jpg", "grey.jpg"),
    *("colour.tif", "deep.tif", "float.tif", "packed.tif", "floats.npy", "counts.npy", "packed.npz", "several.npz"),
)
FOLDERS = ("model", "health", "recipe", "checkpoint", "old checkpoint", "evaluation")
KINDS = (*PICTURES, *FOLDERS)


def pictures(place: Path) -> dict[str, bytes]:
    """One of each format and type."""
    draw = np.random.default_rng(0)
    colour = draw.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    deep = draw.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
    floats = draw.normal(size=(20, 30, 3)).astype(np.float32)
    for name, array in {"colour": colour, "grey": colour[..., 0]}.items():
        for suffix in ("png", "jpg"):
            Image.fromarray(array).save(place / f"{name}.{suffix}")
    Image.fromarray(colour[..., 0]).convert("P", palette=Image.Palette.ADAPTIVE).save(place / "palette.png")
    Image.fromarray(colour[..., 0] > 100).save(place / "bits.png")
    Image.fromarray(colour).save(place / "packed.tif", compression="tiff_lzw")
    for name, array in {
        "deep.png": deep[..., 0],
        "deep_colour.png": deep,
        "colour.tif": colour,
        "deep.tif": deep,
    }.items():
        assert cv2.imwrite(str(place / name), array)
    assert cv2.imwrite(str(place / "float.tif"), floats)
    np.save(place / "floats.npy", floats)
    np.save(place / "counts.npy", deep[..., 0])
    np.savez_compressed(place / "packed.npz", deep)
    np.savez(place / "several.npz", floats, other=np.zeros(3))
    return {name: (place / name).read_bytes() for name in PICTURES}


def checkpoint(place: Path, *, new: bool) -> dict[str, bytes]:
    state = {"a.weight": torch.arange(60.0).reshape(3, 20), "a.count": torch.tensor(3), "b": torch.zeros(2, 2).half()}
    torch.save(state, place / "c.pth", _use_new_zipfile_serialization=new)
    return {"c.pth": (place / "c.pth").read_bytes()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".csv"}


def sign_png(folder: Path) -> None:
    """As far as there are chunks, their checksums agree with what is in them."""
    (path,) = folder.iterdir()
    content, place = bytearray(path.read_bytes()), 8
    while place + 12 <= len(content):
        end = place + 8 + int.from_bytes(content[place : place + 4], "big")
        if end + 4 > len(content):
            break
        content[end : end + 4] = zlib.crc32(content[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    path.write_bytes(content)


def sign_model(folder: Path) -> None:
    """The card, if it can be read, names the weights beside it, and has no hash of its own, as older ones."""
    card = json.loads((folder / "model.json").read_bytes())
    del card[SEAL]
    (folder / "model.json").write_text(json.dumps(card | {"sha256": sha256(folder / "model.safetensors")}))


def sign_evaluation(folder: Path) -> None:
    """The JSON, if it can be read, names the arrays beside it."""
    about = json.loads((folder / "evaluation.json").read_bytes())
    about["sha256"] = {name: sha256(folder / name) for name in about["sha256"]}
    (folder / "evaluation.json").write_text(json.dumps(about))


def used(evaluation: Evaluation) -> Evaluation:
    """What every table does with an evaluation."""
    evaluation.miou()
    evaluation.conditions()
    return evaluation


def _image(folder: Path, draw: Draw) -> np.ndarray:
    (path,) = folder.iterdir()
    return read_image(path, indices=bool(draw.integers(2)), max_pixels=LIMIT)


def _checkpoint(folder: Path, draw: Draw) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "c.pth")


def _told(folder: Path) -> list[torch.Tensor]:
    profiles = load_profiles(folder, WEIGHTS)
    return [profile.distance(torch.zeros(2, len(profile.mean))) for profile in profiles.values()]


def _is_told(found: Any) -> bool:
    return all(distances.shape == (2,) for distances in found)


def _is_image(found: Any) -> bool:
    good = isinstance(found, np.ndarray) and found.ndim == 3 and min(found.shape) > 0
    return good and found.dtype.kind in "uif" and found.dtype.isnative and found.nbytes <= LIMIT


def _is_toy(found: Any) -> bool:
    finite = all(bool(tensor.isfinite().all()) for tensor in found.state_dict().values())
    return isinstance(found, Segmenter) and finite and found.num_modalities == len(found.card.modalities)


def _is_recipe(found: Any) -> bool:
    return isinstance(found, Recipe)


def _is_state(found: Any) -> bool:
    return all(isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in found.items())


def _is_scores(found: Any) -> bool:
    F, S, K = len(found.frames), len(found.subsets), len(found.classes)
    return found.counts.shape == (F, S, K, 3) and found.scored.shape == (F, S) and bool((found.counts >= 0).all())


def try_cases(subject: Subject, folder: Path, cases: int, seed: int) -> None:
    """Damages the files so many times, each time in another way that depends on the seed alone."""
    others = [*subject.files.values(), b"hello", b""]
    for case in range(cases):
        draw = np.random.default_rng((seed, case))
        for name, content in subject.files.items():
            (folder / name).write_bytes(content)
        names = sorted(subject.files)
        name = names[draw.integers(len(names))]
        content = subject.files[name]
        other = others[draw.integers(len(others))]
        strange = STRANGE.get(Path(name).suffix) if draw.random() < 0.5 else None
        (folder / name).write_bytes(strange(content, draw) if strange else damaged(content, other, draw))
        if subject.sign and draw.random() < 0.7:
            with suppress(
                ValueError, KeyError, TypeError, AttributeError, RecursionError
            ):  # it may be no JSON any more
                subject.sign(folder)
        _try(subject, folder, draw, f"case {case} of seed {seed}, {name}")


def _try(subject: Subject, folder: Path, draw: Draw, case: str) -> None:
    cpu, refusal, found = torch.device("cpu"), None, None
    forget_peak(cpu)
    before, _ = held(cpu)
    start = time.process_time()
    try:
        found = subject.read(folder, draw)
    except (ValueError, OSError) as error:
        refusal = str(error)
    except Exception as error:
        error.add_note(case)
        raise
    seconds, (_, peak) = time.process_time() - start, held(cpu)
    if refusal is None:
        assert subject.good(found), f"{case}: {found!r}"
    else:
        assert str(folder) in refusal, f"{case}: the error names no file: {refusal}"
        assert len(refusal) < 20_000, f"{case}: {len(refusal)} letters of error"
    assert seconds < SECONDS, f"{case}: {seconds} s"
    assert before is None or peak is None or (peak - before) * MEGA < MEMORY, f"{case}: {before} to {peak} MB"


@pytest.fixture
def trial(subjects, evaluated, made, tmp_path, monkeypatch) -> Callable[[str, int, int], None]:
    monkeypatch.setattr(reading, "MAX_BYTES", LIMIT)

    def run(kind: str, cases: int, seed: int) -> None:
        subject = evaluated(made()) if kind == "evaluation" else subjects[kind]
        try_cases(subject, tmp_path, cases, seed)

    return run


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files(trial, kind: str) -> None:
    trial(kind, FAST // len(KINDS), seed=0)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_many_times(trial, kind: str) -> None:
    trial(kind, SLOW // len(KINDS), seed=1)
