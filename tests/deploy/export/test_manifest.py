import json
from dataclasses import replace

import pytest

from robustseg.deploy.export.manifest import MANIFEST_FILE, File, Manifest, Parity, Quality, read_manifest
from robustseg.files import sha256
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.strict import to_json


@pytest.fixture
def written(tmp_path) -> Manifest:
    (tmp_path / "model.onnx").write_bytes(b"graph")
    manifest = Manifest(
        form="whole",
        format="onnx",
        precision="int8",
        files=(File("model", "model.onnx", sha256(tmp_path / "model.onnx"), ("rgb", "present"), ("labels",)),),
        modalities=(Modality("rgb", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)),),
        absent="anything",
        classes=(LabelClass("road", (1, 2, 3)),),
        outputs=("labels",),
        input_size=(64, 96),
        smallest=32,
        resize=None,
        temperatures=(1.5,),
        weights="0" * 64,
        version="0.1",
        torch="2.13",
        parity=Parity(1, 100, "confidence", 0.5, 0.9),
        quality=Quality(3, "val", 0.9),
    )
    (tmp_path / MANIFEST_FILE).write_text(to_json(manifest))
    return manifest


def test_it_comes_back_as_it_was_written(written, tmp_path) -> None:
    assert read_manifest(tmp_path) == written


def test_a_folder_without_one_is_no_export(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="is no export"):
        read_manifest(tmp_path)


def test_files_are_whole(written, tmp_path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"graft")
    with pytest.raises(ValueError, match=r"model.onnx was damaged or replaced: its SHA-256"):
        read_manifest(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(FileNotFoundError, match=r"model.onnx is missing: export the model again"):
        read_manifest(tmp_path)


def test_files_stay_in_the_folder(written, tmp_path) -> None:
    elsewhere = (replace(written.files[0], name="../model.onnx"),)
    (tmp_path / MANIFEST_FILE).write_text(to_json(replace(written, files=elsewhere)))
    with pytest.raises(ValueError, match="leads outside"):
        read_manifest(tmp_path)


def test_unknown_keys_are_refused(written, tmp_path) -> None:
    text = json.loads((tmp_path / MANIFEST_FILE).read_text()) | {"runtime": "mine"}
    (tmp_path / MANIFEST_FILE).write_text(json.dumps(text))
    with pytest.raises(ValueError, match="unknown key 'runtime'"):
        read_manifest(tmp_path)
