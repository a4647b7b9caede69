"""The tables of benchmarks/decoder_width.py against hand-worked numbers, and its runs at toy size."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from robustseg.scoring import SUMMARY_FILE

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    """Imports a script as its own folder's files import each other."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def run_of(mean: float) -> dict[str, dict[str, float]]:
    return {
        "teacher": {"mean": 30.0, "all": 50.0, "worst": 10.0},
        "student": {"mean": mean, "all": 52.0, "worst": 20.0},
    }


SCORES = {
    "768": {"0": run_of(40.0), "1": run_of(41.0)},
    "256": {"0": run_of(39.5), "1": run_of(41.25)},
    "32": {"0": run_of(37.0)},
}
COSTS = {
    width: {"parameters": 6e6, "decoder_parameters": 2e6, "macs": {"64x64, 4 of 4": {"all": work, "decoder": 1e9}}}
    for width, work in (("768", 8e9), ("256", 6e9), ("32", 5e9))
}
SECONDS = {"64x64, 4 of 4": {"768": [3.0, 4.0, 6.0], "256": [2.0, 2.0, 2.0], "32": [1.0, 1.0, 1.0]}}
MEMORY = {"case": "64x64, 4 of 4", "GB": {width: {"all": 0.5, "encoder": 0.25} for width in COSTS}}
FACTS = {"command": "python x.py", "date": "2026-01-01", "torch": "2", "processor": "a chip", "threads": 1}
RECORD = {
    "cost": COSTS,
    "memory": MEMORY,
    "quality": {"facts": FACTS | {"frames": 600, "teacher_epochs": 6, "student_epochs": 3}, "scores": SCORES},
    "speed": {"facts": FACTS | {"clock": "wall", "rounds": 3}, "seconds": SECONDS},
}


def test_losses_are_paired_by_seed_and_the_spread_is_the_widest(script):
    words = script("decoder_width_text")
    assert words.lost(SCORES, "256") == [0.5, -0.25]
    assert words.lost(SCORES, "32") == [3.0]
    assert words.seed_range(SCORES) == 1.75
    assert words.seed_range({"32": SCORES["32"]}) is None


def test_the_conclusion_follows_from_the_numbers(script):
    words = script("decoder_width_text")
    said = words.conclusion(RECORD)
    assert "by up to 1.75 points" in said
    assert "against 768 is 256." in said
    assert "| `--model.width 256` | -0.12 | -25%, 2.00x |" in said
    assert "| `--model.width 32` | -3.00 | -38%, 4.00x |" in said
    alone = {width: {"0": run_of(mean)} for width, mean in (("768", 40.0), ("256", 36.0), ("64", 30.0), ("32", 32.5))}
    assert "One seed, so what another one changes is unknown" in words.seeds_say(alone)
    assert "by up to 2.50 points" in words.seeds_say(alone)
    assert "smallest" not in words.seeds_say({"256": SCORES["256"]})


def test_tables(script):
    words = script("decoder_width_text")
    table = words.quality_table(SCORES).splitlines()
    assert table[2:4] == [
        "| 768 | 40.50 |  |  | 52.00 | 20.00 | 30.00 | 50.00 |",
        "| 256 | 40.38 | +0.12 | +0.50, -0.25 | 52.00 | 20.00 | 30.00 | 50.00 |",
    ]
    assert "| 256 | 6.00 (2.00) | 6.00 (1.00) |" in words.cost_table(COSTS)
    assert "| 256 | 6.00 (2.00) | 6.00 (1.00) | 0.50 (0.25) |" in words.cost_table(COSTS, MEMORY)
    assert "| 256 | 2.000 s, 2.00x (1.50 to 3.00) |" in words.speed_table(SECONDS)
    for part in (RECORD, {"cost": COSTS}):  # all of it, and before anything was measured
        assert words.text(part).startswith("## A smaller decoder")
        assert all(len(set(map(len, rows))) == 1 for rows in table_rows(words.text(part)))


def table_rows(markdown: str) -> list[list[list[str]]]:
    """The cells of each table."""
    parts = [part.splitlines() for part in markdown.split("\n\n")]
    return [[row.split("|") for row in part] for part in parts if part[0].startswith("|")]


@pytest.mark.parametrize("width", [768, 32])
def test_cost_by_hand(script, width):
    """The decoder: matrices multiplied together, applied at each stage's resolution, and the classifier at stride 4."""
    module = script("decoder_width")
    cost, channels, classes = module.cost(width, ((512, 4), (512, 1))), (32, 64, 160, 256), 25
    pixels = [(512 // stride) ** 2 for stride in (4, 8, 16, 32)]
    mixed = sum(p * c * width for p, c in zip(pixels, channels, strict=True))
    decoder = sum(channels) * width**2 + mixed + pixels[0] * width * classes
    assert cost["macs"]["512x512, 4 of 4"]["decoder"] == decoder
    assert cost["macs"]["512x512, 1 of 4"]["decoder"] == decoder
    encoder = {live: cost["macs"][f"512x512, {live} of 4"]["all"] - decoder for live in (1, 4)}
    assert encoder[4] == 4 * encoder[1]
    linear = sum(c + 1 for c in channels) * width
    assert cost["decoder_parameters"] == linear + 4 * width**2 + 2 * width + (width + 1) * classes


def test_every_width_is_timed_in_every_round(script):
    module = script("decoder_width")
    ticks = iter(range(1000))
    found = module.seconds(2, lambda: float(next(ticks)), cases=((32, 4), (32, 1)), backbone="mit_nano")
    assert list(found) == ["32x32, 4 of 4", "32x32, 1 of 4"]
    assert all(rounds == {str(width): [1.0, 1.0] for width in module.WIDTHS} for rounds in found.values())


def test_a_wider_decoder_keeps_more(script):
    found = script("decoder_width").memory(32, backbone="mit_nano")["GB"]
    decoder = [found[width]["all"] - found[width]["encoder"] for width in found]
    assert decoder == sorted(decoder, reverse=True)
    assert len({entry["encoder"] for entry in found.values()}) == 1


def test_a_run_is_trained_and_scored_once(script, tmp_path):
    module = script("decoder_width")
    recipe = module.width_recipe(tmp_path, 16, 5, frames=8, epochs=(1, 1))
    assert (recipe.model.width, recipe.seed, recipe.name) == (16, 5, "width16_seed5")
    world = replace(recipe.data.world, val_frames=4)
    recipe = replace(recipe, data=replace(recipe.data, size=(32, 64), world=world))
    first = module.quality(recipe)
    assert set(first) == {"teacher", "student"}
    assert all(0 <= score["worst"] <= score["mean"] <= 100 for score in first.values())
    files = sorted((*tmp_path.rglob(SUMMARY_FILE), *tmp_path.rglob("evaluation.json")))
    written = [path.stat().st_mtime_ns for path in files]
    assert len(files) == 4
    assert module.quality(recipe) == first
    assert [path.stat().st_mtime_ns for path in files] == written
