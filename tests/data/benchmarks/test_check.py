"""The check of a benchmark names every bad file, with what it is a file of, and goes on after each."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from robustseg.data.benchmarks.check import check_benchmark
from robustseg.data.fake import write_deliver, write_mcubes
from robustseg.recipe import Data
from robustseg.report.data import check_lines


@pytest.fixture
def deliver(tmp_path) -> Path:
    write_deliver(tmp_path / "d", frames=6, size=(40, 40))
    return tmp_path / "d"


def found(data: Data, split: str = "val") -> list[tuple[str, str, str]]:
    problems = check_benchmark(data, split).problems
    return [(problem.of, problem.kind, problem.severity) for problem in problems]


def test_a_good_tree_only_lacks_the_published_number(deliver):
    report = check_benchmark(Data(kind="deliver", root=str(deliver)), "val")
    assert [problem.message for problem in report.problems] == [
        "split val has 6 frames, the published one 2005: is all of it copied?"
    ]
    assert report.present == {"rgb": 6, "depth": 6, "event": 6, "lidar": 6}
    assert report.sizes == {"40x40": 6, "20x20": 1}


def test_every_bad_file_is_named(deliver):
    paths = {name: sorted((deliver / name).glob("*/val/*/*.png")) for name in ("img", "hha", "lidar", "semantic")}
    shutil.rmtree(deliver / "event")
    paths["img"][0].write_bytes(paths["img"][0].read_bytes()[:100])
    paths["hha"][1].unlink()
    cv2.imwrite(str(paths["lidar"][2]), np.zeros((40, 40), np.uint8))
    cv2.imwrite(str(paths["semantic"][3]), np.full((40, 40, 4), 77, np.uint8))
    paths["semantic"][4].unlink()
    cv2.imwrite(str(paths["semantic"][5]), np.zeros((40, 40, 4), np.uint8))
    data = Data(kind="deliver", root=str(deliver))
    assert sorted(found(data)) == sorted(
        [("event", "missing", "error")] * 6
        + [
            ("rgb", "unreadable", "error"),
            ("depth", "missing", "error"),
            ("lidar", "constant", "warning"),
            ("labels", "label id", "error"),
            ("labels", "missing", "error"),
            ("labels", "constant", "warning"),
            ("", "count", "warning"),
        ]
    )
    report = check_benchmark(data, "val")
    bad = next(problem for problem in report.problems if problem.of == "rgb")
    assert bad.path == paths["img"][0]
    assert str(bad.path) not in bad.message
    assert "copy the file again" in bad.message
    lines = check_lines(report, alike=3)
    events = [line for line in lines if "_event_" in line]
    assert len(events) == 3
    assert events[-1].endswith("(and 3 others like it)")
    assert sum("label" in line and "unknown" in line for line in lines) == 1
    assert len(check_lines(report)) == 1 + len(report.problems)


def test_a_modality_that_no_frame_has_is_no_sensor_that_failed(deliver):
    shutil.rmtree(deliver / "lidar")
    data = Data(kind="deliver", root=str(deliver), missing="allow")
    assert found(data) == [("", "count", "warning"), ("lidar", "missing", "warning")]
    assert found(data, "train") == [("", "count", "warning"), ("lidar", "missing", "error")]


def test_every_error_says_once_what_to_do(deliver):
    paths = {name: sorted((deliver / name).glob("*/val/*/*.png")) for name in ("img", "semantic")}
    paths["img"][0].write_bytes(b"")
    cv2.imwrite(str(paths["img"][1]), np.zeros((40, 40), np.uint16))
    paths["semantic"][0].write_bytes(b"")
    cv2.imwrite(str(paths["semantic"][1]), np.full((40, 40, 4), 77, np.uint8))
    messages = [problem.message for problem in check_benchmark(Data(kind="deliver", root=str(deliver)), "val").errors]
    assert [message.count("copy the file again") for message in messages] == [1, 1, 1, 0]
    assert "data.ignore_ids" in messages[-1]


def test_nan_and_sizes(tmp_path):
    write_mcubes(tmp_path / "m", frames=3, size=(40, 240))
    stems = (tmp_path / "m/list_folder/val.txt").read_text().split()
    np.save(tmp_path / f"m/polL_aolp_cos/{stems[0]}.npy", np.full((40, 240), np.inf, np.float32))
    cv2.imwrite(str(tmp_path / f"m/NIR_warped/{stems[1]}.png"), np.eye(60, 250, dtype=np.uint16))
    data = Data(kind="mcubes", root=str(tmp_path / "m"))
    report = check_benchmark(data, "val")
    first, second = report.errors
    assert (first.path.name, first.kind, first.path.parent.name) == (f"{stems[0]}.npy", "not finite", "polL_aolp_cos")
    assert (second.path, second.kind) == (tmp_path / f"m/NIR_warped/{stems[1]}.png", "size")
    assert "60x58, but most of its frame is 40x48" in second.message
    assert ("aolp", "not finite", "error") in found(data)


def test_a_frame_without_any_modality(deliver):
    (weather,) = {path.parents[2].name for path in deliver.glob("img/*/val/*/045052_*")}
    for path in deliver.glob(f"*/{weather}/val/*/045052_*"):
        if path.parents[3].name != "semantic":
            path.unlink()
    kinds = [kind for _, kind, _ in found(Data(kind="deliver", root=str(deliver), missing="allow"))]
    assert kinds == ["no sensor", "count"]
