"""The opponent computes what we compute, and what is measured is kept and shown as it was measured."""

import json
from dataclasses import replace

import pytest
import torch


@pytest.fixture
def sides(script):
    return script("sides")


@pytest.fixture
def tiny(sides):
    return sides.Case("mit_nano", 16, (64, 96), batch=2, drop=0.0)


@pytest.mark.parametrize("backbone", ["mit_nano", "mit_b0"])
def test_both_sides_agree(sides, tiny, backbone):
    found = sides.agreement(replace(tiny, backbone=backbone))
    assert found.logits < 1e-5
    assert found.losses < 1e-5
    assert found.labels > 0.9999
    found.check()


def test_sides_that_differ_are_not_timed(sides, tiny, monkeypatch):
    same = sides.same_network

    def spoiled(ours, case):
        network = same(ours, case)
        network.decoder.classifier.bias.data[0] += 0.01
        return network

    monkeypatch.setattr(sides, "same_network", spoiled)
    with pytest.raises(ValueError, match="two sides differ"):
        sides.agreement(tiny).check()


def test_equal_losses_over_some_steps(sides, tiny):
    opponent, ours = sides.opponent_step(tiny), sides.our_step(tiny, sides.RELEASED)
    first = None
    for _ in range(5):
        theirs, mine = opponent(), ours()
        assert {name: float(loss) for name, loss in mine.items()} == pytest.approx(
            {name: float(loss) for name, loss in theirs.items()}, rel=1e-4
        )
        first = first or float(mine["cross_entropy"])
    assert float(mine["cross_entropy"]) < first


def test_every_run_of_both_sides_gives_the_same_labels(sides, tiny):
    runs = sides.inference_runs(tiny, (4, 1))
    for count in (4, 1):
        assert torch.equal(runs[f"opponent, {count}"](), runs[f"ours, {count}"]())
    subsets, sized = sides.subset_runs(tiny), sides.sized_subset_runs(tiny)
    labels = subsets["opponent"]()
    assert labels.shape == (15, 2, 64, 96)
    assert torch.equal(labels, subsets["ours"]())
    assert torch.equal(labels[0], sized["opponent, 1"]())
    assert torch.equal(labels[-1], sized["opponent, 4"]())


def test_operations_by_known_numbers(sides, script):
    operations = script("operations")
    case = sides.Case("mit_b0", 768, (512, 512))
    found = operations.inference_gflop(case, (4,))
    assert found["opponent, 4"] == pytest.approx(105, rel=0.01)  # measured on the released network
    assert found["ours, 4"] == pytest.approx(28, rel=0.02)


def test_a_students_step_is_three_passes_more_than_its_teachers(sides, script):
    operations = script("operations")
    case = sides.Case("mit_b0", 768, (128, 128), batch=2)
    one_or_four, step = operations.inference_gflop(case, (1, 4)), operations.step_gflop(case)
    for name in ("opponent", "ours"):
        one, four = (one_or_four[f"{name}, {count}"] for count in (1, 4))
        student = one + 1.5 * (four - one) / 3  # five modalities of two samples
        assert step[name] == pytest.approx(four + 3 * student, rel=0.03)  # no gradient reaches the images


def test_all_subsets_are_counted(sides, script):
    case = sides.Case("mit_b0", 768, (1024, 1024))
    found = script("operations").subset_gflop(case)
    assert found["opponent"] == pytest.approx(2 * 3194.5, rel=0.001)  # twice the multiply-adds, counted another way
    assert found["ours"] == pytest.approx(2 * 134.3, rel=0.01)


def test_turns_and_ratios(script):
    timing = script("timing")
    seconds, now = {"slow": 6.0, "fast": 0.06}, [0.0]

    def run(name):
        now[0] += seconds[name]

    runs = {name: lambda name=name: run(name) for name in seconds}
    trials = timing.tried(runs, lambda: now[0])
    found = timing.in_turns(runs, trials, lambda: now[0])
    assert [len(values) for values in found.values()] == [7, 7]
    assert now[0] == pytest.approx(8 * 6 + 0.06 + 7 * 4 * 0.06)  # four short calls, to make up a fifth of a second
    measured = timing.ratio([4.0, 9.0, 10.0], [2.0, 3.0, 10.0])
    assert (measured.median, measured.low, measured.high) == (2.0, 1.0, 3.0)


def test_results_are_kept_and_forgotten(script, tmp_path):
    timing = script("timing")
    path = tmp_path / "results.json"
    timing.Results(path).keep("one", {"values": [1.0]})
    again = timing.Results(path)
    assert again.rows == {"one": {"values": [1.0]}}
    again.forget("one")
    again.keep("two", {})
    assert timing.read_rows(path) == {"two": {}}


def test_the_table_says_what_was_measured(script, tmp_path):
    page = script("performance_page")
    row = {
        "values": {"opponent": [8.0, 9.0, 10.0], "ours": [2.0, 1.0, 1.0]},
        "unit": "s",
        "gflop": {"opponent": 100.0, "ours": 10.0},
        "agreement": {"logits": 1e-7, "losses": 1e-7, "labels": 1.0},
        "processor": "P",
        "torch": "2",
        "clock": "wall",
        "date": "2026-01-01",
    }
    lines = page.comparison_lines({"all 15 subsets 512x512 | 2 threads": row})
    found = next(line for line in lines if "512x512" in line)
    cells = [cell.strip() for cell in found.split("|")[1:-1]]
    assert cells[1:] == ["20x", "missed: **9.00x** (4.00x to 10.00x)", "", "9.00 s", "1.00 s", "100.0 → 10.0"]
    path = tmp_path / "page.md"
    path.write_text("# Mine\n\n<!-- as_released -->\nold\n<!-- end of as_released -->\n\nkept\n")
    page.write_section(path, "as_released", lines)
    text = path.read_text()
    assert found in text
    assert "old" not in text
    assert text.endswith("kept\n")


def test_starting_and_loading_stand_beside_their_goals(script, tmp_path):
    page = script("performance_page")
    assert page.beside_lines(tmp_path) == []
    taken = {"median": 0.4, "fastest": 0.3, "slowest": 0.5}
    names = ("import robustseg, every name, beyond import torch", "robustseg --help")
    (tmp_path / "startup.json").write_text(json.dumps({"seconds": dict.fromkeys(names, taken)}))
    (tmp_path / "loading.json").write_text(json.dumps({"world, 1 thread": {"loading, percent": {"student": 3.21}}}))
    lines = page.beside_lines(tmp_path)
    assert len(lines) == 5
    assert "| `robustseg --help` | under 1 s | **0.40 s** (0.30 to 0.50) |" in lines[3]
    assert "| under 10 % | **3.2 %** |" in lines[4]
