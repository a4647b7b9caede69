import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from synthetic import evaluation, faults, study

from robustseg.recipe import Data, Recipe
from robustseg.report.page.confidence import by_inputs, confidence_section
from robustseg.report.page.facts import facts
from robustseg.report.page.faults import fault_section
from robustseg.report.page.published import protocol_section, published_section
from robustseg.report.page.scores import class_section, comparison_section, condition_section, subset_section
from robustseg.report.page.worth import shapley_values, worth_section
from robustseg.report.runs import Model, Runs
from robustseg.report.tables.faults import read_faults
from robustseg.robustness.calibration import expected_calibration_error


@pytest.fixture
def runs(toy_model) -> Runs:
    models = [
        Model(name, Path(f"runs/toy/{name}"), toy_model.card, study(name, skill=skill), Recipe())
        for name, skill in (("teacher", 0.6), ("student", 1.0))
    ]
    return Runs(tuple(models), "val")


def swapped(runs: Runs, **entries) -> Runs:
    """The subject with other evaluations."""
    return replace(runs, models=(*runs.models[:-1], replace(runs.subject, study=runs.subject.study | entries)))


def test_faults_are_compared_on_the_frames_they_were_scored_on() -> None:
    well = evaluation(confident=False)
    broken = faults(well)
    scored = broken.scored.clone()
    late = broken.states.index("drift@lidar:5")
    scored[:7, late] = False
    broken = replace(broken, scored=scored)
    found = {(entry.fault, entry.sensor): entry for entry in read_faults(broken, well)}
    assert len(found) == 10
    some = found["drift", "lidar"]
    last = torch.arange(12) >= 7
    assert (some.frames, found["drift", "depth"].frames) == (5, 12)
    assert some.well == pytest.approx(well.where(last).full())
    without_lidar = dict(zip(well.names, well.where(last).miou().tolist(), strict=True))["rgb+depth+event"]
    assert some.gone == pytest.approx(without_lidar)
    assert some.scores[5] == pytest.approx(broken.where(last).miou()[late].item())
    assert list(some.scores) == [1, 2, 3, 4, 5]
    nowhere = replace(broken, scored=torch.zeros_like(scored))
    assert read_faults(nowhere, well) == []


def test_a_panel_per_fault_and_advice(runs) -> None:
    section = fault_section(runs)
    assert section.body.count("<h4>") == 5
    assert section.grids["faults"].rows[0][:2] == ("blackout", "rgb")
    entries = read_faults(runs.subject.study["faults"], runs.subject.subsets)
    worse = sum(any(score < entry.gone for score in entry.scores.values()) for entry in entries)
    assert f"{worse} of 10 faults become worse than losing the sensor altogether" in section.lead
    mild = runs.subject.study["faults"]
    counts = mild.counts.clone()
    counts[..., 1:] = 0  # all right
    counts[..., 0] += 1
    assert "No fault is worse" in fault_section(swapped(runs, faults=replace(mild, counts=counts))).lead


def stepped(runs: Runs, right: dict[str, list[int]]) -> Runs:
    """The subject with faults whose severities get so many of 100 pixels of one class right."""
    well = evaluation(classes=("road",), frames=1, confident=False)
    score = {1: 40, 2: 50, 3: 60, 4: 70}
    hits = torch.tensor([score[size] for size in well.subsets.sum(dim=1).tolist()])
    states = tuple(f"{name}:{severity}" for name in right for severity in range(1, 6))
    broken = torch.tensor([entry for line in right.values() for entry in line])
    all_there = torch.ones(len(states), 4, dtype=torch.bool)
    found = replace(well, counts=pixels(hits))
    wrong = replace(
        well,
        counts=pixels(broken),
        scored=torch.ones(1, len(states), dtype=torch.bool),
        subsets=all_there,
        protocol="faults",
        states=states,
    )
    return swapped(runs, emm=found, faults=wrong)


def pixels(hits: torch.Tensor) -> torch.Tensor:
    return torch.stack([hits, torch.zeros_like(hits), 100 - hits], dim=-1)[None, :, None]


def test_of_faults_that_are_worse_at_once_the_worst_is_named(runs) -> None:
    first = {"blackout@rgb": [59, 58, 57, 56, 55], "noise@lidar": [50, 40, 30, 20, 10], "drift@depth": [70] * 5}
    assert (
        "2 of 3 faults become worse than losing the sensor altogether, 2 of them at severity 1, above all noise of "
        "lidar, which then costs 10.0 points more than its loss."
    ) in fault_section(stepped(runs, first)).lead
    later = {"blackout@rgb": [70, 70, 57, 70, 70], "noise@lidar": [70, 70, 70, 55, 55]}
    assert ("first blackout of rgb, which then costs 3.0 points more than its loss, at severity 3.") in fault_section(
        stepped(runs, later)
    ).lead
    less = {"blackout@rgb": [70, 70, 70, 70, 60]}
    assert "No fault is worse" in fault_section(stepped(runs, less)).lead


def test_without_a_score_of_the_loss_there_is_no_advice(runs) -> None:
    alone = evaluation(modalities=("rgb",))
    lead = fault_section(swapped(runs, emm=alone, faults=faults(alone))).lead
    assert "worse" in lead
    assert "altogether" not in lead


def test_faults_that_need_a_past_say_on_how_many_frames(runs) -> None:
    broken = runs.subject.study["faults"]
    scored = broken.scored.clone()
    drift = [place for place, state in enumerate(broken.states) if state.startswith("drift@")]
    scored[:7, drift] = False
    scored[:, [place for place in drift if broken.states[place].endswith(":5")]] = False
    lead = fault_section(swapped(runs, faults=replace(broken, scored=scored))).lead
    assert "Drift: on the 5 of 12 frames whose past reaches back." in lead
    assert "Severities that no frame's past reaches are left out." in lead
    assert "past" not in fault_section(runs).lead


def test_sizes_that_were_not_scored_are_said(runs) -> None:
    found = replace(runs.subject.subsets, confidence=None)
    rows = [row for row, size in enumerate(found.subsets.sum(dim=1).tolist()) if size in (1, 4)]
    few = replace(found, counts=found.counts[:, rows], scored=found.scored[:, rows], subsets=found.subsets[rows])
    alone = replace(runs, models=(replace(runs.subject, study={"emm": few}),))
    assert "With 3 and 2 left nothing was scored." in comparison_section(alone).body
    assert "nothing was scored" not in comparison_section(runs).body


def test_names_of_models_keep_their_capitals(runs) -> None:
    named = tuple(replace(model, name=f"Runs/A_B {model.name}") for model in runs.models)
    assert comparison_section(replace(runs, models=named)).title == "Runs/A_B teacher against Runs/A_B student"


def test_confidence_by_inputs_left(runs) -> None:
    found = runs.subject.subsets
    assert found.confidence is not None
    sizes = by_inputs(found)
    assert list(sizes) == [4, 3, 2, 1]
    assert torch.allclose(sizes[4], found.confidence[:, -1].double().sum(dim=0))
    pairs = [row for row, subset in enumerate(found.subsets.tolist()) if sum(subset) == 2]
    summed = sum(found.confidence[:, row].double().sum(dim=0) for row in pairs)
    assert torch.allclose(sizes[2], torch.as_tensor(summed))
    section = confidence_section(runs)
    row = section.grids["calibration"].rows[2]
    assert row[:2] == ("2 of 4", pytest.approx(expected_calibration_error(sizes[2]).item()))
    assert row[4] == pytest.approx(100 - 100 * (sizes[2][:, 1].sum() / sizes[2][:, 0].sum()).item())


def test_shapley_values_add_up_and_harm_is_told(runs) -> None:
    found = runs.subject.subsets
    values = shapley_values(found)
    assert list(values) == list(found.modalities)
    section = worth_section(runs)
    assert "each sensor adds something to every set" in section.body
    counts = found.counts.clone()
    counts[:, 4, :, 0] = 0  # rgb and depth together see nothing right
    section = worth_section(swapped(runs, emm=replace(found, counts=counts)))
    assert "depth costs <b>" in section.body
    assert " with rgb</li>" in section.body
    few = replace(
        found, counts=counts[:, -1:], scored=found.scored[:, -1:], subsets=found.subsets[-1:], confidence=None
    )
    assert shapley_values(few) == {}
    assert "evaluate again with --subsets all" in worth_section(swapped(runs, emm=few)).body


def test_heat_maps_hold_the_evaluations_numbers(runs) -> None:
    found = runs.subject.subsets
    drawn = class_section(runs).body
    assert f">{found.iou()[-1, 0].item():.1f}</td>" in drawn
    assert drawn.count("<td") == 4 * 16  # classes x (subsets and their mean)
    assert "When sensors are missing, " in class_section(runs).lead
    fog = found.conditions()["weather"]["fog"]
    assert f">{fog.full('skip'):.1f}</td>" in condition_section(runs).body
    six = evaluation(modalities=tuple("abcdef"))
    assert class_section(swapped(runs, emm=six)).body.count("<td") == 4 * (1 + 6 + 6 + 1)


def test_too_many_subsets_are_cut_down_and_counted(runs) -> None:
    seven = evaluation(modalities=tuple("abcdefg"), frames=3, confident=False)
    section = subset_section(swapped(Runs(runs.models[1:], "val"), emm=seven))
    assert section.body.count('class="row"') == 2 * (1 + 7 + 7)
    assert "112 more sets are in the table" in section.body
    assert len(section.grids["subsets"].rows) == 127
    assert subset_section(runs).body.count('class="row"') == 2 * 15


def test_models_beside_each_other(runs) -> None:
    section = comparison_section(runs)
    assert section.title == "Teacher against student"
    assert "better in 15 of 15 subsets" in section.lead
    assert section.grids["comparison"].head == ("sensors", "teacher", "student", "difference")
    alone = comparison_section(Runs(runs.models[1:], "val"))
    assert alone.title == "As sensors go"
    assert not alone.grids


def test_facts_tell_what_decides(runs) -> None:
    told = dict(facts(replace(runs, remarks=("teacher was left out",))))
    assert told["Split"] == "val, 12 frames, 4 classes"
    assert "Conventions" not in told
    assert told["Note"] == "teacher was left out"
    data = Data(kind="deliver", root="/secret/place", conventions="strict", habits=("absent_zero",))
    model = replace(runs.subject, recipe=replace(Recipe(), data=data))
    told = dict(facts(replace(runs, models=(model,))))
    assert told["Conventions"] == "strict with absent_zero"
    assert "/secret" not in str(told)


def test_published_rows_stand_beside_benchmarks_only(runs) -> None:
    assert published_section(runs) is None
    recipe = replace(Recipe(), data=Data(kind="deliver", root="x"))
    models = tuple(replace(model, recipe=recipe) for model in runs.models)
    section = published_section(replace(runs, models=models))
    assert section is not None
    assert section.body.count('<tr class="bold">') == 2 + 2 + 1
    own = section.grids["published_subsets"].rows[0]
    assert own[0] == "teacher"
    assert {"published_all_sensors", "published_protocols", "field"} <= set(section.grids)
    odd = evaluation(modalities=("rgb", "sonar"))
    section = published_section(swapped(replace(runs, models=models), emm=odd))
    assert section is not None
    assert "No published row can stand beside this run" in section.body
    assert "sonar" in section.body


def test_protocols_of_every_model(runs) -> None:
    section = protocol_section(runs)
    assert list(section.grids) == ["protocols", "protocols_0"]
    value = section.grids["protocols"].rows[0][1]
    assert isinstance(value, float)
    assert not math.isnan(value)
    assert value == pytest.approx(runs.subject.subsets.mean())
