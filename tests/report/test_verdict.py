from dataclasses import replace

import torch
from synthetic import evaluation

from robustseg.failures import all_subsets
from robustseg.report.verdict import comparison, tiles, verdict
from robustseg.robustness import Evaluation


def scored(percent: dict[tuple[bool, ...], int], names: tuple[str, ...]) -> Evaluation:
    """One class whose IoU is exactly what is said."""
    subsets = all_subsets(len(names))
    hits = torch.tensor([percent[tuple(row)] for row in subsets.tolist()])
    counts = torch.stack([hits, torch.zeros_like(hits), 100 - hits], dim=-1)[None, :, None]
    base = evaluation(modalities=names, classes=("road",), frames=1, confident=False)
    return replace(base, counts=counts, scored=torch.ones(1, len(subsets), dtype=torch.bool))


T, F = True, False
PAIR = {(T, F): 50, (F, T): 40, (T, T): 60}


def test_the_sentence_is_computed() -> None:
    found = scored(PAIR, ("camera", "event"))
    expected = "Loses 15.0 points of mIoU on average when one sensor fails; camera is worth most; "
    assert verdict(found, {"camera": 30.0, "event": 20.0}) == expected + "worst case event alone at 40.0."


def test_ties_gains_and_nothing_known_have_their_words() -> None:
    better = scored({**PAIR, (T, T): 30}, ("camera", "event"))
    told = verdict(better, {"camera": 10.0, "event": 10.2})
    assert told.startswith("Gains 15.0 points of mIoU on average when one sensor fails; all sensors are worth about")
    assert told.endswith("worst case all sensors at 30.0.")
    even = scored({(T, F): 60, (F, T): 60, (T, T): 60}, ("camera", "event"))
    assert verdict(even, {}).startswith("Loses nothing on average when one sensor fails; worst case")
    three = {tuple(row): 50 for row in all_subsets(3).tolist()}
    told = verdict(scored(three, ("a", "b", "c")), {"a": 5.0, "b": 1.0, "c": 4.9})
    assert "a and c are worth most" in told


def test_one_sensor_has_nothing_to_fall_back_on() -> None:
    assert verdict(scored({(T,): 47}, ("rgb",)), {"rgb": 1.0}).startswith(
        "Reaches 47.0 % mIoU with its only sensor, rgb"
    )


def test_two_models_in_a_sentence() -> None:
    before = scored(PAIR, ("camera", "event"))
    after = scored({(T, F): 55, (F, T): 39, (T, T): 61}, ("camera", "event"))
    told = comparison(("student", after), ("teacher", before))
    assert told == (
        "Model student is better in 2 of 3 subsets than teacher: +1.7 points on average over the subsets, "
        "+1.0 with everything there."
    )


def test_one_policy_for_both_models() -> None:
    subject, other = evaluation(confident=False), evaluation(skill=0.8, confident=False)
    told = comparison(("student", replace(subject, absent="skip")), ("teacher", other))
    assert told == comparison(("student", subject), ("teacher", other), "skip")
    assert told != comparison(("student", subject), ("teacher", other), "zero")


def test_what_is_expected_is_unknown_without_all_subsets() -> None:
    found = evaluation(confident=False)
    rows = [row for row, size in enumerate(found.subsets.sum(dim=1).tolist()) if size in (1, 3, 4)]
    few = replace(found, counts=found.counts[:, rows], scored=found.scored[:, rows], subsets=found.subsets[rows])
    tile = next(entry for entry in tiles(few) if entry.name == "Expected")
    assert (tile.value, tile.words) == ("–", "unknown: not every set of inputs was scored")


def test_tiles() -> None:
    found = tiles(scored(PAIR, ("camera", "event")))
    assert [entry.value for entry in found] == ["60.0", "50.0", "57.3", "40.0"]  # (81 * 60 + 9 * 50 + 9 * 40) / 99
    assert found[3].words == "event alone"
