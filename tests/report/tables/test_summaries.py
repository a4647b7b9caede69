from dataclasses import replace

import pytest
import torch

from robustseg.report.tables import expectation_table, protocol_table
from robustseg.robustness.expectation import expect, parse_failures
from robustseg.robustness.protocols import emm_expected


def test_protocols_have_the_published_columns(made):
    emm = made()
    rmm = replace(made(seed=1), protocol="rmm_0.5")
    noise = made(seed=2)
    noise = replace(
        noise,
        counts=noise.counts[:, :3],
        scored=noise.scored[:, :3],
        subsets=torch.ones(3, 3, dtype=torch.bool),
        protocol="nm",
        states=("low", "mid", "high"),
    )
    grid = protocol_table({"nm": noise, "emm": emm, "rmm_0.5": rmm, "faults": emm})
    assert grid.head == ("protocol", "Avg", "E p=0.2", "E p=0.1", "E p=0.05", "low", "mid", "high")
    assert [row[0] for row in grid.rows] == ["EMM: removed", "RMM: 50% of elements zero", "NM: noise on all"]
    assert grid.rows[0][1] == pytest.approx(emm.mean())
    assert grid.rows[1][2:5] == pytest.approx([emm_expected(rmm.miou(), rmm.subsets, p) for p in (0.2, 0.1, 0.05)])
    assert grid.rows[2][1:5] == (None,) * 4
    assert grid.rows[2][5:] == pytest.approx(noise.miou().tolist())
    alone = protocol_table({"emm": emm})
    assert alone.head == ("protocol", "Avg", "E p=0.2", "E p=0.1", "E p=0.05")
    assert protocol_table({}).rows == ()


def test_expectations_list_the_likeliest_states(made):
    found = made()
    failures = parse_failures("rgb=0.1,depth=0.2", "rgb,depth,lidar=0.01")
    told = expect(found, failures, 0)
    grid = expectation_table(found, failures, most=3)
    assert [row[0] for row in grid.rows] == ["rgb+depth+lidar", "rgb+lidar", "depth+lidar"]
    assert grid.rows[0][1] == f"{100 * 0.9 * 0.8 * 0.99:.4g} %"
    assert [row[2] for row in grid.summary] == pytest.approx([told.mean, told.quantile()])
    assert "rgb=0.1, depth=0.2, rgb&depth&lidar=0.01" in grid.caption
    assert "2 less likely states are not listed" in grid.caption
    assert "nothing is left is 1 %" in grid.caption
    assert "nothing" in [row[0] for row in expectation_table(found, failures).rows]
