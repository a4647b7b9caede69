import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from robustseg.benchmark.memory import STATUS
from robustseg.build import load
from robustseg.files import sha256
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard, read_card
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter
from robustseg.models.weights import expanded, save_model, structure

CARD = ModelCard(
    "mit_nano",
    24,
    tuple(LabelClass(f"c{i}", (i, 0, 255), ids=(10 * i,)) for i in range(5)),
    (
        Modality("rgb", sensor="camera", mean=(1.5, 2.0, 3.0), std=(1.0, 2.0, 3.0), photometric=True),
        Modality("aolp", {"raw": "{modality}/{name}.npy"}, ("sin(raw)", "cos(raw)", "sin(raw)"), sensor="camera"),
        Modality("lidar", scale=0.01, unit="m", resample="nearest"),
        Modality("radar"),
    ),
    "zero",
    (40, 56),
    labels="{split}/{name}.png",
    ignore_ids=(255, 7),
    resize=(80, 112),
)


@pytest.fixture
def saved(tiny, tmp_path: Path) -> tuple[Path, Segmenter]:
    model = tiny(absence="zero")
    save_model(tmp_path / "model", model, CARD)
    return tmp_path / "model", model


@torch.no_grad()
def test_a_model_survives_the_round_trip(saved: tuple[Path, Segmenter], images: torch.Tensor) -> None:
    folder, model = saved
    loaded = load(folder)
    assert not loaded.training
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert (loaded.card.modalities, loaded.card.classes) == (CARD.modalities, CARD.classes)
    assert (loaded.card.ignore_ids, loaded.card.resize, loaded.card.labels) == ((255, 7), (80, 112), CARD.labels)
    assert loaded.card.version
    present = torch.tensor([[True, False, True, False]]).expand(3, 4)
    assert torch.equal(loaded(images, present).logits, model(images, present).logits)
    assert sorted(path.name for path in folder.iterdir()) == ["model.json", "model.safetensors"]


def test_a_model_that_is_not_its_cards_is_not_saved(tiny, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"decoder.fuse.weight has shape \(32, 128, 1, 1\), not \(24, 96, 1, 1\)"):
        save_model(tmp_path, tiny(absence="zero", width=32), CARD)
    model = tiny(absence="zero")
    model.decoder.get_submodule("classifier").get_parameter("bias").data[1] = torch.nan
    with pytest.raises(ValueError, match=r"not all values are finite in decoder.classifier.bias"):
        save_model(tmp_path, model, CARD)
    assert not list(tmp_path.iterdir())


def edit(folder: Path, **changes: object) -> None:
    """Changes the card as an older one, which has no hash of its own."""
    path = folder / "model.json"
    values = json.loads(path.read_text())
    del values["card_sha256"]
    path.write_text(json.dumps({**values, **changes}))


def test_no_folder_no_card_no_weights(saved: tuple[Path, Segmenter], tmp_path: Path) -> None:
    folder, _ = saved
    for wrong in (tmp_path / "nowhere", tmp_path, folder / "model.json"):
        with pytest.raises(FileNotFoundError, match="is no model folder"):
            load(wrong)
    (folder / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"it has no model.safetensors"):
        load(folder)


def test_weights_that_changed_are_refused(saved: tuple[Path, Segmenter]) -> None:
    folder, _ = saved
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for damaged in (whole[:-100], whole[:5], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"model.safetensors was damaged or replaced"):
            load(folder)


@pytest.mark.parametrize("content", ["cut", "longer", "text", "huge header", "large header"])
def test_files_that_are_no_weights_are_refused_even_with_their_hash(
    saved: tuple[Path, Segmenter], content: str
) -> None:
    folder, _ = saved
    path = folder / "model.safetensors"
    contents = {
        "cut": path.read_bytes()[:-100],
        "longer": path.read_bytes() + bytes(8),
        "text": b"hello, world",
        "huge header": b"\xff" * 64,
        "large header": (2**23).to_bytes(8, "little") + b"{" + b" " * 2**23,
    }
    path.write_bytes(contents[content])
    edit(folder, sha256=sha256(path))
    with pytest.raises(ValueError, match=r"model.safetensors is damaged"):
        load(folder)


def test_other_tensors_are_listed_together(saved: tuple[Path, Segmenter]) -> None:
    folder, _ = saved
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors["decoder.fuse.weight"]
    tensors["extra"] = torch.zeros(1)
    tensors["decoder.classifier.bias"] = torch.zeros(6)
    tensors["decoder.norm.weight"] = tensors["decoder.norm.weight"].half()
    save_file(tensors, path)
    edit(folder, sha256=sha256(path))
    with pytest.raises(ValueError, match="does not fit") as caught:
        load(folder)
    for part in (
        "unknown tensor extra",
        "missing tensor decoder.fuse.weight",
        "decoder.classifier.bias has shape (6,), not (5,)",
        "decoder.norm.weight has type",
    ):
        assert part in str(caught.value)


def test_weights_that_are_not_finite_are_refused(saved: tuple[Path, Segmenter]) -> None:
    folder, _ = saved
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["decoder.norm.bias"][3] = torch.inf
    save_file(tensors, path)
    edit(folder, sha256=sha256(path))
    with pytest.raises(ValueError, match=r"not all values are finite in decoder.norm.bias"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"width": 48}, "does not fit this network"),
        ({"width": 10**9}, "width must lie in"),
        ({"width": "24"}, "width must be int"),
        ({"backbone": "os.system"}, "backbone 'os.system' is none of"),
        ({"sha256": ""}, "sha256 must be 64 hexadecimal digits"),
        ({"sha256": 64 * "0"}, "was damaged or replaced"),
        ({"absence": "guess"}, "absence must be one of"),
        ({"modalities": [{"name": "../x"}]}, r"modality name '../x'"),
    ],
)
def test_an_edited_card_is_refused(saved: tuple[Path, Segmenter], changes: dict, message: str) -> None:
    folder, _ = saved
    edit(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load(folder)


def test_the_card_is_small_and_readable(saved: tuple[Path, Segmenter]) -> None:
    folder, _ = saved
    assert (folder / "model.json").stat().st_size < 6000
    assert read_card(folder).sha256 == sha256(folder / "model.safetensors")


def test_a_network_with_more_parts_takes_copies_and_keeps_what_only_it_has(tiny) -> None:
    shared, model = tiny(), tiny(private=("patch", "norm"), fusion="weighted")
    source, before = shared.state_dict(), model.state_dict()
    result = expanded(source, model)
    assert result.keys() == before.keys()
    for name, tensor in result.items():
        if name.startswith("reliability."):
            assert torch.equal(tensor, before[name])
        elif tensor.ndim > source[name].ndim:
            assert all(torch.equal(one, source[name]) for one in tensor)
            assert len(tensor) == 4
        else:
            assert torch.equal(tensor, source[name])
    assert all(torch.equal(tensor, before[name]) for name, tensor in expanded(before, model).items())


@pytest.mark.parametrize("fields", [{"width": 32}, {"private": ("norm",)}, {"fusion": "weighted"}, {"modalities": 3}])
def test_other_differences_stay(tiny, fields: dict[str, object]) -> None:
    source, model = tiny(private=("patch",), **fields) if "private" not in fields else tiny(**fields), tiny()
    with pytest.raises(RuntimeError):
        model.load_state_dict(expanded(source.state_dict(), model))


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.is_file(), reason="this system does not tell a process's memory")
def test_loading_takes_the_memory_of_the_file_and_little_more(tmp_path: Path) -> None:
    """The peak of a fresh process that loads 100 MB, beside that of one that loads next to nothing."""
    peaks = {}
    for backbone, width in (("mit_nano", 16), ("mit_b2", 512)):
        card = replace(CARD, backbone=backbone, width=width)
        save_model(tmp_path / backbone, random_segmenter(structure(card), seed=0), card)
        code = (
            "import sys, torch; from robustseg.benchmark.memory import held; from robustseg.build import load; "
            "model = load(sys.argv[1]); print(held(torch.device('cpu'))[1])"
        )
        command = [sys.executable, "-c", code, str(tmp_path / backbone)]
        peaks[backbone] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    size = (tmp_path / "mit_b2" / "model.safetensors").stat().st_size / 1e6
    assert size > 100
    assert peaks["mit_b2"] - peaks["mit_nano"] < 1.25 * size
