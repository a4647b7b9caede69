import json
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.files import sha256
from robustseg.robustness import Evaluation, load, load_study, save, save_study, storage


def test_files_bring_back_the_same(found: Evaluation, tmp_path) -> None:
    confidence = torch.rand(6, 7, 150, 3, generator=torch.Generator().manual_seed(1))
    found = replace(found, weights="ab12", absent="skip", confidence=confidence, majority=1, states=("",) * 6 + ("nm",))
    save(found, tmp_path / "evaluation")
    again = load(tmp_path / "evaluation")
    for field in ("counts", "scored", "subsets", "confidence"):
        assert getattr(again, field).equal(getattr(found, field))
    for field in (
        "frames",
        "tags",
        "modalities",
        "sensors",
        "classes",
        "model",
        "split",
        "protocol",
        "note",
        "states",
        "absent",
        "weights",
    ):
        assert getattr(again, field) == getattr(found, field)
    assert again.majority == 1
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == [
        "confidence.npy",
        "counts.npy",
        "evaluation.csv",
        "evaluation.json",
        "scored.npy",
    ]


def test_a_study_has_a_folder_for_every_protocol(found: Evaluation, tmp_path) -> None:
    study = {"nm": replace(found, protocol="nm", note="noisy"), "emm": found}
    save_study(study, tmp_path)
    again = load_study(tmp_path)
    assert list(again) == ["emm", "nm"]
    assert again["nm"].note == "noisy"
    assert load(tmp_path / "nm").protocol == "nm"
    with pytest.raises(FileNotFoundError, match="run robustseg evaluate first"):
        load_study(tmp_path / "nm" / "none")


@pytest.mark.parametrize("what", ["weights", "frames"])
def test_what_an_earlier_model_left_behind_is_not_mixed_in(found: Evaluation, tmp_path, what: str) -> None:
    earlier = {"weights": "old"} if what == "weights" else {"frames": tuple(f"g{place}" for place in range(6))}
    save_study({"emm": replace(found, weights="new")}, tmp_path)
    save_study({"nm": replace(found, protocol="nm", **({"weights": "new"} | earlier))}, tmp_path)
    with pytest.raises(ValueError, match=rf"nm is of other {what} than .*--protocols emm,nm, or delete"):
        load_study(tmp_path)


def test_a_folder_holds_the_protocol_of_its_name(found: Evaluation, tmp_path) -> None:
    save(replace(found, protocol="rmm_0.5"), tmp_path / "nm")
    with pytest.raises(ValueError, match=r"nm holds protocol 'rmm_0\.5', not 'nm'"):
        load_study(tmp_path)


def test_older_files_do_not_tell_their_weights(found: Evaluation, tmp_path) -> None:
    save(found, tmp_path)
    about = json.loads((tmp_path / "evaluation.json").read_text())
    del about["weights"]
    (tmp_path / "evaluation.json").write_text(json.dumps(about))
    assert load(tmp_path).weights == ""


def test_the_json_is_plain_and_holds_both_policies(found: Evaluation, tmp_path) -> None:
    save(found, tmp_path)
    about = json.loads((tmp_path / "evaluation.json").read_text())
    assert about["mean"]["zero"] == pytest.approx(found.mean("zero"), abs=1e-4)
    assert about["mean"]["skip"] == pytest.approx(found.mean("skip"), abs=1e-4)
    nothing = {"name": "depth", "letters": "D", "frames": 0, "zero": None, "skip": None, "iou": [None] * 3}
    assert about["subsets"][1] == nothing
    for subset, row in zip(about["subsets"], found.iou().tolist(), strict=True):
        assert subset["iou"] == pytest.approx([None if math.isnan(value) else value for value in row], abs=1e-4)
    assert about["note"] == "selected on val"
    assert about["conditions"]["weather"]["fog"]["frames"] == 3


def test_counts_of_another_evaluation_are_noticed(found: Evaluation, tmp_path) -> None:
    save(found, tmp_path)
    np.save(tmp_path / "counts.npy", found.counts.numpy() + 1)
    with pytest.raises(ValueError, match="evaluate again"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"frames": 3}', "[" * 100_000, '{"frames": ["a"], "modalities": [1]}', "\xff"]
)
def test_foreign_json_is_one_clear_line(found: Evaluation, tmp_path, text: str) -> None:
    save(found, tmp_path)
    (tmp_path / "evaluation.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"evaluation\.json is damaged or no evaluation") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("counts.npy", np.zeros((6, 7, 3, 3)), r"counts\.npy is float64"),
        ("counts.npy", np.zeros((6, 7, 2, 3), np.int32), r"counts\.npy is int32 \(6, 7, 2, 3\), not"),
        ("scored.npy", np.ones((5, 7), bool), r"scored\.npy is bool \(5, 7\)"),
        ("scored.npy", np.array([{}]), "[Oo]bject"),
        ("counts.npy", np.full((6, 7, 3, 3), -1, np.int32), r"counts\.npy holds what is no count"),
    ],
)
def test_foreign_arrays_are_one_clear_line(found: Evaluation, tmp_path, name: str, array, said: str) -> None:
    save(found, tmp_path)
    np.save(tmp_path / name, array, allow_pickle=True)
    sign(tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"present": [[True, True]] * 7}, "3 modalities need"),
        ({"sensors": ["a"]}, "3 modalities need"),
        ({"tags": []}, "other numbers"),
        ({"states": ["low"]}, "other numbers"),
        ({"majority": 3}, "most frequent class cannot be 3"),
    ],
)
def test_json_that_contradicts_itself_is_refused(found: Evaluation, tmp_path, change: dict, said: str) -> None:
    save(found, tmp_path)
    about = json.loads((tmp_path / "evaluation.json").read_text())
    (tmp_path / "evaluation.json").write_text(json.dumps(about | change))
    with pytest.raises(ValueError, match=said):
        load(tmp_path)


def test_numbers_beyond_all_bounds_and_archives_are_refused(found: Evaluation, tmp_path) -> None:
    save(found, tmp_path)
    with (tmp_path / "counts.npy").open("wb") as stream:
        np.savez(stream, counts=found.counts.numpy())
    sign(tmp_path)
    with pytest.raises(ValueError, match="magic string"):
        load(tmp_path)
    text = (tmp_path / "evaluation.json").read_text()
    (tmp_path / "evaluation.json").write_text(text.replace('"majority": -1', '"majority": 1e999'))
    with pytest.raises(ValueError, match="damaged or no evaluation"):
        load(tmp_path)


def test_damaged_headers_are_one_clear_line(found: Evaluation, tmp_path) -> None:
    save(found, tmp_path)
    whole = (tmp_path / "counts.npy").read_bytes()
    for place in range(10, 60):
        (tmp_path / "counts.npy").write_bytes(whole[:place] + b"#" + whole[place + 1 :])
        sign(tmp_path)
        with pytest.raises(ValueError, match=r"counts\.npy") as caught:
            load(tmp_path)
        assert "\n" not in str(caught.value)


def test_large_and_broken_files_are_refused(found: Evaluation, tmp_path, monkeypatch) -> None:
    save(found, tmp_path)
    (tmp_path / "counts.npy").write_bytes((tmp_path / "counts.npy").read_bytes()[:-8])
    sign(tmp_path)
    with pytest.raises(ValueError, match=str(tmp_path)):
        load(tmp_path)
    monkeypatch.setattr(storage, "MAX_JSON_BYTES", 100)
    with pytest.raises(ValueError, match=r"evaluation\.json is larger than 100 bytes"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["evaluation.json", "counts.npy"])
def test_a_pipe_is_not_waited_for(found: Evaluation, tmp_path, name: str) -> None:
    save(found, tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name} is no ordinary file"):
        load(tmp_path)


def sign(folder) -> None:
    """Makes the JSON name the arrays beside it."""
    about = json.loads((folder / "evaluation.json").read_text())
    about["sha256"] = {name: sha256(folder / name) for name in about["sha256"]}
    (folder / "evaluation.json").write_text(json.dumps(about))
