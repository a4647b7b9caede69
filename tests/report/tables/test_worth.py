import pytest

from robustseg.report.tables import gain_table, harm_table, worth_class_table, worth_condition_table, worth_table
from robustseg.robustness.worth import worth


def test_worth_adds_up(made):
    found = made()
    grid, value = worth_table(found), worth(found, 0)
    assert [row[0] for row in grid.rows] == ["rgb", "depth", "lidar"]
    assert [row[1] for row in grid.rows] == pytest.approx(value.shapley().tolist())
    assert grid.summary[0][1] == pytest.approx(sum(row[1] for row in grid.rows))
    assert grid.rows[1][2] == pytest.approx((value.miou[0b010] - value.miou[0]).item())
    assert grid.rows[1][3] == pytest.approx((value.miou[0b111] - value.miou[0b101]).item())
    assert "road, the most frequent class of training" in grid.caption
    assert grid.signed == {1, 2, 3}


def test_worth_of_classes_and_conditions(made):
    found = made()
    value = worth(found, 0)
    grid = worth_class_table(found)
    assert grid.head == ("class", "rgb", "depth", "lidar", "nothing", "all")
    assert grid.rows[0][1:4] == pytest.approx(value.class_shapley()[:, 0].tolist())
    assert grid.rows[0][5] == pytest.approx(found.iou()[-1, 0].item())
    grid = worth_condition_table(found)
    assert grid.head == ("weather", "rgb", "depth", "lidar", "nothing", "all")
    for row in grid.rows:
        assert sum(row[1:4]) == pytest.approx(row[5] - row[4])


def test_a_gain_for_every_set(made):
    found = made()
    grid, value = gain_table(found), worth(found, 0)
    assert [row[0] for row in grid.rows] == [
        "nothing",
        "depth",
        "lidar",
        "rgb",
        "depth+lidar",
        "rgb+depth",
        "rgb+lidar",
    ]
    scores = dict(zip(found.names, found.miou().tolist(), strict=True))
    assert grid.rows[1][1] == pytest.approx(scores["depth"])
    assert grid.rows[1][2] == pytest.approx(scores["rgb+depth"] - scores["depth"])
    assert grid.rows[0][4] == pytest.approx(scores["lidar"] - value.nothing)


def test_harms_are_counted_and_cut(made):
    found = made()
    all_of_them = harm_table(found)
    number = len(worth(found, 0).harms())
    assert len(all_of_them.rows) == number > 1
    assert all(row[3] < 0 for row in all_of_them.rows)
    assert f"{number} in all" in all_of_them.caption
    assert f"the worst 1 of {number}".capitalize() in harm_table(found, most=1).caption
