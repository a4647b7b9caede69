from pathlib import Path

import pytest
import torch

from robustseg.data.check import CheckReport, Problem
from robustseg.data.stats import ClassCounts, Moments, Statistics, data_statistics
from robustseg.modalities import Modality
from robustseg.recipe_file import read_recipe
from robustseg.report.data import check_lines, class_table, modality_table


def test_every_problem_is_a_line():
    problem = Problem(Path("rgb/a.png"), "unreadable", "error", "it is cut short")
    report = CheckReport("train", 3, {"rgb": 3}, {"32x32": 3}, (problem,))
    lines = check_lines(report)
    assert lines[0] == "train: 3 frames; rgb 3; sizes 32x32 (3); 1 errors, 0 warnings"
    assert lines[1:] == ["  error: rgb/a.png: it is cut short"]
    assert len(check_lines(CheckReport("train", 3, {}, {}, (problem,) * 1000))) == 1001


def test_tables_say_what_was_measured(toy_frames):
    frames = toy_frames()
    found = data_statistics(frames)
    rows = modality_table(found, frames.modalities).rows
    lidar = torch.cat([frames[place].images[2, 0].flatten() for place in range(len(frames))])
    assert rows[2][:2] == ("lidar", 6)
    assert str(rows[2][2]).startswith(f"[{lidar.mean():.6g}, ")
    assert rows[1][1] == 3  # depth is absent in three frames
    shares = [row[2] for row in class_table(found, frames.classes).rows]
    assert sum(float(str(share)) for share in shares) == pytest.approx(100)


def test_measured_values_can_be_copied_into_a_recipe(tmp_path):
    """Small ones keep their digits, an empty channel gets a std that a recipe takes."""
    moments = Moments(
        frames=torch.tensor([2, 0, 2]),
        pixels=torch.tensor([4, 0, 4]),
        mean=torch.tensor([[1e-5, -0.00041, 123456.7], [0, 0, 0], [7, 7, 7]]).double(),
        squares=4 * torch.tensor([[0, 1e-5, 2e4], [0, 0, 0], [0, 0, 0]]).double() ** 2,
    )
    statistics = Statistics(2, moments, ClassCounts(torch.zeros(1).long(), torch.zeros(1).long(), 0))
    event, *refused = modality_table(statistics, [Modality("event"), Modality("gone"), Modality("empty")]).rows
    assert refused == [("gone", 0, None, None), ("empty", 2, None, None)]
    text = f"data: {{kind: folders, modalities: [{{name: event, mean: {event[2]}, std: {event[3]}}}]}}"
    (tmp_path / "recipe.yaml").write_text(text)
    (copied,) = read_recipe(tmp_path / "recipe.yaml").data.modalities
    assert copied.mean == pytest.approx((1e-5, -0.00041, 123456.7), rel=1e-5)
    assert copied.std == pytest.approx((1.0, 1e-5, 2e4), rel=1e-5)
