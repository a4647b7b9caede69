import io
import math
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from robustseg.failures import all_subsets
from robustseg.report.tables import (
    class_table,
    comparison_table,
    condition_table,
    markdown,
    sensor_table,
    subset_table,
    terminal,
)
from robustseg.robustness import Evaluation


def evaluation(model: str, hits: int, note: str = "") -> Evaluation:
    generator = torch.Generator().manual_seed(hits)
    counts = torch.randint(1, 30, (8, 7, 3, 3), generator=generator)
    counts[..., 0] += hits
    counts[:, :, 2] = 0
    return Evaluation(
        counts=counts,
        scored=torch.ones(8, 7, dtype=torch.bool),
        subsets=all_subsets(3),
        frames=tuple(f"f{i}" for i in range(8)),
        tags=tuple({"weather": ("day", "fog")[i % 2]} for i in range(8)),
        modalities=("rgb", "depth", "lidar"),
        sensors=("rgb", "depth", "lidar"),
        classes=("road", "car", "unicorn"),
        model=model,
        split="val",
        note=note,
    )


@pytest.fixture
def teacher() -> Evaluation:
    return evaluation("teacher", 5)


@pytest.fixture
def student() -> Evaluation:
    return evaluation("student", 40, note="selected on the reported split")


def test_the_subset_table_has_both_policies_and_the_weakest_class(teacher: Evaluation) -> None:
    grid = subset_table(teacher)
    assert [row[0] for row in grid.rows] == list(teacher.names)
    for s, (_, zero, skip, weakest, score) in enumerate(grid.rows):
        assert zero == pytest.approx(teacher.miou("zero")[s].item())
        assert skip == pytest.approx(1.5 * zero)  # two of three classes occur
        pair = dict(zip(teacher.classes[:2], teacher.iou()[s, :2].tolist(), strict=True))
        assert score == pytest.approx(min(pair.values()))
        assert pair[weakest] == score
    assert grid.summary[0][1] == pytest.approx(teacher.mean("zero"))


def test_frames_without_a_sensor_are_counted(teacher: Evaluation) -> None:
    scored = teacher.scored.clone()
    scored[:3, 1] = False
    grid = subset_table(replace(teacher, scored=scored))
    assert grid.head[-1] == "frames"
    assert grid.rows[1][-1] == 5
    assert "1 of 7 subsets" in grid.caption


def test_the_comparison_shows_the_difference_and_the_note(teacher: Evaluation, student: Evaluation) -> None:
    grid = comparison_table({"teacher": teacher, "student": student})
    assert grid.head == ("sensors", "teacher", "student", "difference")
    for _, before, after, difference in grid.rows + grid.summary:
        assert difference == pytest.approx(after - before)
    assert "student: selected on the reported split" in grid.caption
    three = comparison_table({"a": teacher, "b": student, "c": teacher})
    assert three.head == ("sensors", "a", "b", "c")
    assert not three.signed


def test_levels_of_noise_are_no_subsets(teacher: Evaluation) -> None:
    kept = torch.tensor([6, 6, 6])
    rows = replace(
        teacher, counts=teacher.counts[:, kept], scored=teacher.scored[:, kept], subsets=teacher.subsets[kept]
    )
    noisy = replace(rows, protocol="nm", states=("low", "mid", "high"))
    grid = comparison_table({"a": noisy, "b": noisy})
    assert grid.head == ("state", "a", "b", "difference")
    assert [row[0] for row in grid.rows] == ["low", "mid", "high"]
    assert grid.summary == ()


def test_different_data_cannot_be_compared(teacher: Evaluation) -> None:
    with pytest.raises(ValueError, match="a and b were evaluated on different frames"):
        comparison_table({"a": teacher, "b": replace(teacher, frames=("x",) * 8)})
    with pytest.raises(ValueError, match="no evaluation"):
        comparison_table({})


def test_classes_and_conditions(teacher: Evaluation) -> None:
    grid = class_table(teacher)
    assert grid.head[3:] == ("rgb only", "depth only", "lidar only")
    assert grid.rows[1][1] == pytest.approx(teacher.iou()[-1, 1].item())
    assert math.isnan(grid.rows[2][1])
    rows = condition_table(teacher).rows
    assert condition_table(teacher).head[0] == "weather"
    assert [row[0] for row in rows] == ["day", "fog"]
    fog = teacher.where(torch.tensor([False, True] * 4))
    assert rows[1][1] == pytest.approx(fog.full("skip"))
    singles = dict(zip(fog.names[:3], fog.miou("skip")[:3].tolist(), strict=True))
    assert rows[1][6] == max(singles, key=singles.__getitem__)


def test_markdown(teacher: Evaluation, student: Evaluation) -> None:
    grid = comparison_table({"teacher": teacher, "student": student})
    lines = markdown(grid).splitlines()
    assert lines[1] == "|:--|--:|--:|--:|"
    assert lines[2].startswith("| rgb | ")
    assert lines[9].startswith("| **mean of subsets** | **")


def test_the_terminal_shows_every_row(teacher: Evaluation, student: Evaluation) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    for grid in (subset_table(teacher), class_table(teacher), condition_table(teacher)):
        console.print(terminal(grid))
        text = console.export_text()
        assert all(str(row[0]) in text for row in grid.rows + grid.summary)
    console.print(terminal(comparison_table({"teacher": student, "student": teacher})))
    assert "-" in console.export_text()


def test_sensors_stand_for_their_modalities(teacher: Evaluation) -> None:
    grouped = replace(teacher, sensors=("camera", "stereo", "camera"))
    grid = sensor_table(grouped)
    assert [row[0] for row in grid.rows] == ["camera", "stereo", "camera+stereo"]
    scores = dict(zip(teacher.names, teacher.miou().tolist(), strict=True))
    assert [row[1] for row in grid.rows] == pytest.approx(
        [scores["rgb+lidar"], scores["depth"], scores["rgb+depth+lidar"]]
    )
    assert grid.summary[0][1] == pytest.approx(sum(row[1] for row in grid.rows) / 3)
    assert sensor_table(teacher) == subset_table(teacher)
