"""A model folder becomes files, and the files answer as the model does."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from robustseg.cli import main
from robustseg.data.resizing import resized
from robustseg.deploy import Predictor
from robustseg.deploy.export import CalibrationFrames, ExportSettings, export_model, exporting, open_export
from robustseg.deploy.export.manifest import read_manifest
from robustseg.deploy.export.optional import needed
from robustseg.deploy.export.parity import expected_outputs, random_frames
from robustseg.modalities import Modality
from robustseg.models.weights import save_model

ROOT = Path(__file__).parents[3]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"outputs": ("labels", "depth")}, "outputs are some of labels, confidence, logits"),
        ({"outputs": ("labels",)}, "must hold labels and confidence, or logits"),
        ({"format": "torch", "precision": "fp16"}, "precision fp16 is for --format onnx, not torch"),
    ],
)
def test_settings_that_make_no_sense(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        ExportSettings(**settings)


def test_int8_needs_frames(made, tmp_path) -> None:
    with pytest.raises(ValueError, match="int8 needs frames to calibrate on"):
        export_model(made(), tmp_path, ExportSettings(precision="int8"))


@pytest.mark.parametrize("name", ["thesis.tex", "manifest.json"])
def test_a_folder_of_something_else_stays(made, tmp_path, name) -> None:
    (tmp_path / name).write_text('{"name": "my web app"}')
    with pytest.raises(ValueError, match="holds files that are no export"):
        export_model(made(), tmp_path, ExportSettings())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == '{"name": "my web app"}'


@pytest.fixture
def fake_files(monkeypatch):
    """Files of a word, which answer what a test says."""

    def prepare(answer) -> None:
        def write(part, folder, kind):
            path = folder / f"{part.name}.{kind}"
            path.write_text("graph")
            return (path,)

        monkeypatch.setattr(exporting, "write_part", write)
        monkeypatch.setattr(exporting, "open_files", lambda *_: answer)

    return prepare


def test_files_that_differ_are_never_seen(made, tmp_path, fake_files) -> None:
    shape = {"labels": np.uint8, "confidence": np.float32}
    fake_files(lambda images, _: {name: np.zeros((len(images), *images.shape[-2:]), t) for name, t in shape.items()})
    with pytest.raises(ValueError, match="answer differently"):
        export_model(made(), tmp_path / "out", ExportSettings())
    assert not (tmp_path / "out").exists()


def test_an_earlier_export_is_replaced(made, tmp_path, fake_files) -> None:
    model = made()
    fake_files(partial(outputs_of, model))
    first = export_model(model, tmp_path, ExportSettings(split=True))
    assert {file.name for file in first.files} == {"encoder.onnx", "fuse_decode.onnx"}
    again = export_model(model, tmp_path, ExportSettings())
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "manifest.json"}
    assert read_manifest(tmp_path) == again
    assert again.parity.equal_labels == 1


@pytest.fixture
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("onnx_without_torch", ROOT / "examples" / "onnx_without_torch.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("resample", ["linear", "nearest"])
@pytest.mark.parametrize("size", [(40, 56), (128, 192), (101, 155), (50, 200), (200, 70), (64, 96)])
def test_the_example_resizes_as_the_predictor(example, resample, size) -> None:
    image = RNG.uniform(0, 255, (3, *size)).astype(np.float32)
    expected = resized(image, (64, 96), Modality("any", resample=resample))
    np.testing.assert_allclose(example.resized(image[None], (64, 96), resample == "nearest")[0], expected, atol=1e-3)


def outputs_of(model, images, present) -> dict[str, np.ndarray]:
    return expected_outputs(model, torch.from_numpy(np.nan_to_num(images)), torch.from_numpy(present))


def test_what_a_killed_export_left_is_in_nobodys_way(made, tmp_path, fake_files) -> None:
    (tmp_path / f"{exporting.UNFINISHED}abc").mkdir()
    (tmp_path / f"{exporting.UNFINISHED}abc" / "model.onnx").write_bytes(b"half of it")
    model = made()
    fake_files(partial(outputs_of, model))
    export_model(model, tmp_path, ExportSettings())
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "manifest.json"}


def test_reserved_names_are_told(made, tmp_path) -> None:
    model = made()
    modalities = (replace(model.card.modalities[0], name="present"), *model.card.modalities[1:])
    model.card = replace(model.card, modalities=modalities)
    with pytest.raises(ValueError, match="'present' has the name of another input"):
        export_model(model, tmp_path, ExportSettings())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere", "out"], "nowhere is no model folder"),
        (["model", "out", "--precision=int8"], "name a recipe or a folder of frames with --calibrate"),
        (["model", "out", "--outputs=labels,depth"], "outputs are some of labels, confidence, logits"),
        (["model", "model"], "holds files that are no export"),
    ],
)
def test_the_command_says_what_is_wrong(made, tmp_path, monkeypatch, capsys, words, message) -> None:
    monkeypatch.chdir(tmp_path)
    model = made()
    save_model(tmp_path / "model", model, model.card)
    assert main(["export", *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("package", "extra"), [("onnxscript", "export"), ("openvino", "openvino")])
def test_a_missing_package_is_told(monkeypatch, package, extra) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"this needs {package}: pip install 'robustseg\[{extra}\]'"):
        needed(package)


def check_answers(model, folder) -> None:
    """An export's answers to a frame of another size than any that was compared, beside the predictor's."""
    export, predictor = open_export(folder), Predictor(model)
    images = random_frames(model.card.modalities, 1, (50, 83), torch.Generator().manual_seed(5))
    for mask in ([True, False, False], [False, True, True], [True, True, True]):
        present = torch.tensor(mask)
        dirty = images.masked_fill(~present[None, :, None, None, None], torch.nan)
        found = export(dirty.numpy(), present[None].numpy())
        expected = predictor.predict(images[0], present)
        np.testing.assert_allclose(found["confidence"][0], expected.confidence, atol=1e-3)
        assert (found["labels"][0] == expected.labels).mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "flags"),
    [
        (("weighted", "remove", ("patch", "norm")), ["--format=onnx"]),
        (("moments", "remove", ("patch", "norm")), ["--format=onnx", "--split"]),
        (("moments",), ["--format=openvino"]),
        (("mean", "zero"), ["--format=openvino", "--split"]),
        (("late",), ["--format=torch", "--split"]),
        (("early",), ["--format=openvino", "--outputs=labels,confidence,logits"]),
        (("pair",), ["--format=onnx", "--split"]),
    ],
)
def test_files_answer_as_the_model(made, traceable, tmp_path, capsys, network, flags) -> None:
    model = made(*network)
    model.card = save_model(tmp_path / "model", model, model.card)
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "out"), *flags]) == 0
    assert "7 sets of modalities" in capsys.readouterr().out
    manifest = read_manifest(tmp_path / "out")
    assert manifest.weights == model.card.sha256
    assert manifest.parity.largest_difference < 1e-3
    check_answers(model, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "least"), [("fp16", 0.98), ("int8", 0.7)])
def test_lower_precisions_tell_their_loss(made, traceable, tmp_path, toy_frames, precision, least) -> None:
    model = made("weighted", private=("norm",))
    frames = toy_frames(size=(64, 96), modalities=model.card.modalities, classes=model.card.classes)
    calibration = CalibrationFrames(frames, "toys", model.card.modalities, None)
    settings = ExportSettings(split=True, precision=precision)
    manifest = export_model(model, tmp_path, settings, frames=calibration)
    assert manifest.quality is not None
    assert manifest.quality.frames == 3
    assert least < manifest.quality.equal_labels <= 1
    assert manifest.quality.miou is not None
    assert {path.name for path in tmp_path.iterdir()} == {"manifest.json", *(file.name for file in manifest.files)}


def run_example(python: str, folder: Path, tmp_path: Path, environment: dict[str, str]) -> np.ndarray:
    """What the example paints of two of three modalities."""
    Image.fromarray(RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)).save(tmp_path / "rgb.png")
    Image.fromarray(RNG.integers(0, 60, (40, 56), dtype=np.uint8)).save(tmp_path / "depth.png")
    script, out = ROOT / "examples" / "onnx_without_torch.py", tmp_path / "labels.png"
    command = [python, str(script), str(folder), str(out), "rgb=rgb.png", "depth=depth.png"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "56x40 from rgb+depth" in done.stdout
    return np.asarray(Image.open(out))


def check_painting(painted: np.ndarray, model, tmp_path: Path) -> None:
    rgb, depth = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("rgb", "depth"))
    expected = Predictor(model)({"rgb": rgb, "depth": 0.5 * depth})  # the modality's scale
    colors = np.array([entry.color for entry in model.card.classes], np.uint8)[expected.labels]
    assert (painted == colors).all(axis=-1).mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(
    ("absence", "resize"), [("remove", None), ("zero", None), ("remove", (64, 96)), ("zero", (32, 48))]
)
def test_the_example_needs_no_torch(made, traceable, tmp_path, absence, resize) -> None:
    model = made("weighted", absence)
    model.card = replace(model.card, resize=resize)
    export_model(model, tmp_path / "out", ExportSettings(split=True))
    for name in ("torch", "robustseg"):
        (tmp_path / "stubs" / name).mkdir(parents=True)
        (tmp_path / "stubs" / name / "__init__.py").write_text("raise ImportError('not here')\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "stubs"), "OMP_NUM_THREADS": "1"}
    check_painting(run_example(sys.executable, tmp_path / "out", tmp_path, environment), model, tmp_path)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["absent"] == ("mean image" if absence == "zero" else "anything")


@pytest.mark.slow
def test_the_example_in_an_environment_of_its_own(made, traceable, tmp_path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv" / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "onnxruntime", "numpy", "pillow"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install onnxruntime here: {done.stderr.strip().splitlines()[-1]}")
    model = made("weighted")
    export_model(model, tmp_path / "out", ExportSettings(split=True))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    check_painting(run_example(python, tmp_path / "out", tmp_path, environment), model, tmp_path)
