from pathlib import Path

import pytest
import torch

from robustseg.data.check import CheckReport, Problem
from robustseg.data.stats import data_statistics
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
    assert str(rows[2][2]).startswith(f"[{lidar.mean():.3f}")
    assert rows[1][1] == 3  # depth is absent in three frames
    shares = [row[2] for row in class_table(found, frames.classes).rows]
    assert sum(float(str(share)) for share in shares) == pytest.approx(100)
