import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor

from robustseg import recipe
from robustseg.build import build_model, load
from robustseg.modalities import IMAGENET_MEAN, IMAGENET_STD
from robustseg.models.mit import SHAPES, MiT
from robustseg.models.released import UNUSED, convert, load_encoder_weights, read_checkpoint, released_name

CLASSES = 4
SENSORS = ["rgb", "depth"]


@pytest.fixture(scope="module")
def checkpoint() -> dict[str, Tensor]:
    """A released checkpoint in small: MiT-B0 with a narrow head."""
    model = build_model(recipe.Model(backbone="mit_b0", width=16), CLASSES, len(SENSORS), seed=3)
    tensors = {released_name(name): tensor for name, tensor in model.state_dict().items()}
    return {**tensors, UNUSED: torch.zeros(CLASSES, 256, 1, 1)}


def convert_dict(content: object, folder: Path, *, sensors: list[str] = SENSORS, classes: int = CLASSES) -> list[str]:
    torch.save(content, folder / "checkpoint.pth")
    return convert(folder / "checkpoint.pth", folder / "out", backbone="mit_b0", classes=classes, sensors=sensors)


@torch.no_grad()
@pytest.mark.parametrize("name", ["b0", "b2"])
def test_parity_with_the_released_implementation(reference, tmp_path: Path, name: str) -> None:
    known = reference(name)
    torch.save({"model_state_dict": known.checkpoint}, tmp_path / "released.pth")
    folder = tmp_path / "model"
    convert(tmp_path / "released.pth", folder, backbone=known.backbone, classes=known.classes, sensors=known.sensors)
    (tmp_path / "released.pth").unlink()
    model = load(folder)
    (folder / "model.safetensors").unlink()
    for key, expected in known.vectors.items():
        kind, _, kept = key.partition("_")
        if key == "logits_zero_filled_keep0":
            images = known.images.clone()
            images[:, 1:] = 0
            output = model(images, None)
        else:
            present = torch.zeros(known.images.shape[:2], dtype=torch.bool)
            present[:, [int(place) for place in kept.split("_")]] = True
            output = model(known.images.masked_fill(~present[:, :, None, None, None], torch.nan), present)
        if kind == "logits":
            assert output.logits.shape[-2:] == known.images.shape[-2:]
            got = output.logits[:, :, ::4, ::4]
        else:
            got = output.features[int(kind[-1])][:, ::4, ::2, ::2]
        assert got.shape == expected.shape, key
        assert (got - torch.from_numpy(expected)).abs().max() <= 1e-4, key


def test_names_are_those_of_the_released_checkpoints(reference) -> None:
    known = reference("b2")
    with torch.device("meta"):
        encoder = MiT(SHAPES["mit_b2"])
    names = {released_name(f"encoder.{name}") for name in encoder.state_dict()}
    assert names == {name for name in known.checkpoint if name.startswith("encoder.")}


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_wrapping_is_understood(checkpoint, tmp_path: Path, key: str | None, prefix: str) -> None:
    content: dict = {prefix + name: tensor for name, tensor in checkpoint.items()}
    lines = convert_dict({key: content, "epoch": 3} if key else content, tmp_path)
    assert any("dropped classifier.weight" in line for line in lines)
    model = load(tmp_path / "out")
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, checkpoint[released_name(name)])
    assert model.card.absence == "remove"
    assert model.card.width == 16
    assert "non-commercial" in model.card.origin


def test_nothing_is_said_about_a_tensor_that_is_not_there(checkpoint, tmp_path: Path) -> None:
    lines = convert_dict({name: tensor for name, tensor in checkpoint.items() if name != UNUSED}, tmp_path)
    assert not any("dropped" in line for line in lines)


def test_half_precision_becomes_single(checkpoint, tmp_path: Path) -> None:
    convert_dict({name: t.half() if t.is_floating_point() else t for name, t in checkpoint.items()}, tmp_path)
    assert all(p.dtype is torch.float32 for p in load(tmp_path / "out").parameters())


def test_sensor_names_choose_the_normalisation(checkpoint, tmp_path: Path) -> None:
    convert_dict(checkpoint, tmp_path, sensors=["camera", "sonar"])
    camera, sonar = load(tmp_path / "out").card.modalities
    assert (camera.name, camera.mean, camera.std) == ("camera", IMAGENET_MEAN, IMAGENET_STD)
    assert (sonar.name, sonar.mean, sonar.std) == ("sonar", (0, 0, 0), (255, 255, 255))


def test_all_that_differs_is_listed_together(checkpoint, tmp_path: Path) -> None:
    content = dict(checkpoint)
    del content["encoder.norm1.bias"], content["decoder.linear_fuse.conv.weight"]
    content |= {"encoder.norm5.bias": torch.zeros(2), "decoder.linear_pred.bias": torch.zeros(9)}
    with pytest.raises(ValueError, match="does not fit") as caught:
        convert_dict(content, tmp_path)
    for part in (
        "unknown tensor encoder.norm5.bias",
        "missing tensor encoder.norm1.bias",
        "missing tensor decoder.linear_fuse.conv.weight",
        "decoder.linear_pred.bias has shape (9,), not (4,)",
    ):
        assert part in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 5}, r"decoder.linear_pred.bias has shape \(4,\), not \(5,\)"),
        ({"classes": 0}, "between 1 and 255 classes"),
        ({"sensors": []}, "at least one modality"),
        ({"sensors": ["rgb", "rgb"]}, "names must differ"),
        ({"sensors": ["rgb", "a/b"]}, "modality name 'a/b'"),
    ],
)
def test_options_that_make_no_sense(checkpoint, tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert_dict(checkpoint, tmp_path, **options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "holds no state dict"),
        ([1, 2], "holds no state dict"),
        (torch.zeros(3), "holds no state dict"),
        ({"state_dict": {"a": 1, "b": torch.zeros(1)}}, "no dense tensors: a"),
        ({1: torch.zeros(1)}, "no dense tensors: 1"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "no dense tensors: a"),
        ({"a": torch.empty(2, device="meta")}, "no dense tensors: a"),
    ],
)
def test_files_without_a_state_dict(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert_dict(content, tmp_path)


def test_a_small_file_with_huge_tensors_takes_no_memory(checkpoint, tmp_path: Path) -> None:
    huge = torch.zeros(1).expand(10**12)
    with pytest.raises(ValueError, match=r"encoder.norm1.bias has shape"):
        convert_dict({**checkpoint, "encoder.norm1.bias": huge}, tmp_path)


def test_values_that_are_not_finite(checkpoint, tmp_path: Path) -> None:
    broken = torch.full((32,), torch.nan)
    with pytest.raises(ValueError, match=r"not all values are finite in encoder.norm1.bias"):
        convert_dict({**checkpoint, "encoder.norm1.bias": broken}, tmp_path)


class Trap:
    """Its pickle writes a file when it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_damaged_and_hostile_files(checkpoint, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    contents = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"root:x:0:0",
        "pickle": pickle.dumps({"state_dict": Trap(tmp_path / "sprung")}, protocol=2),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    torch.save({"state_dict": Trap(tmp_path / "sprung")}, tmp_path / "trap")
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("readme.txt", "no checkpoint")
    for name in (*contents, "trap", "zip"):
        with pytest.raises(ValueError, match=r"is damaged|is refused") as caught:
            convert(tmp_path / name, tmp_path / "out", backbone="mit_b0", classes=CLASSES, sensors=SENSORS)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "sprung").exists()
    for missing in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
            convert(missing, tmp_path / "out", backbone="mit_b0", classes=CLASSES, sensors=SENSORS)


def test_a_compressed_archive_is_not_unpacked(checkpoint, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "plain.pth")
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(tmp_path / "packed.pth", "w") as packed:
        for name in plain.namelist():
            packed.writestr(name, plain.read(name), compress_type=zipfile.ZIP_DEFLATED)
    assert read_checkpoint(tmp_path / "plain.pth").keys() == checkpoint.keys()
    with pytest.raises(ValueError, match="compressed archive"):
        read_checkpoint(tmp_path / "packed.pth")


def test_an_official_mit_file_fills_the_encoder(checkpoint, tmp_path: Path) -> None:
    official = {name[8:]: tensor for name, tensor in checkpoint.items() if name.startswith("encoder.")}
    official |= {"head.weight": torch.zeros(1000, 256), "head.bias": torch.zeros(1000)}
    torch.save(official, tmp_path / "mit_b0.pth")
    fields = {"backbone": "mit_b0", "width": 8, "encoder_weights": str(tmp_path / "mit_b0.pth")}
    model = build_model(recipe.Model(**fields), 3, 2, seed=9)
    for name, tensor in model.encoder.state_dict().items():
        assert torch.equal(tensor, checkpoint[released_name(f"encoder.{name}")])
    model = build_model(recipe.Model(**fields, private=("norm", "patch")), 3, 2, seed=9)
    for name, tensor in model.encoder.state_dict().items():
        original = checkpoint[released_name(f"encoder.{name}")]
        assert torch.equal(tensor, torch.stack([original] * 2) if tensor.ndim > original.ndim else original)
    with pytest.raises(ValueError, match="does not fit"):
        load_encoder_weights(MiT(SHAPES["mit_b1"]), tmp_path / "mit_b0.pth")
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        load_encoder_weights(model.encoder, tmp_path / "none.pth")


def test_what_is_there_already_stays(checkpoint, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    convert_dict(checkpoint, tmp_path)
    with pytest.raises(ValueError, match="out is there already and not an empty folder"):
        convert_dict(checkpoint, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is there already"):
        convert(tmp_path / "checkpoint.pth", tmp_path / "file", backbone="mit_b0", classes=CLASSES, sensors=SENSORS)
