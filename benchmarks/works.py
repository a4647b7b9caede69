"""What is compared: the kinds of work, their sizes, and the goals that the table sets beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from operations import inference_gflop, step_gflop, subset_gflop
from sides import Agreement, Case, Run, agreement, inference_runs, sized_subset_runs, step_runs, subset_runs
from step_memory import SIDES, growth_in_fresh_process
from timing import CLOCKS, FEW, in_turns, tried
from torch import Tensor

B0, NANO = Case("mit_b0", 768, (1024, 1024)), Case("mit_nano", 96, (96, 128))
CHECKED_SIZE = (160, 192)
"""Of the images that both sides' logits and losses are compared on; labels are compared at the size that is timed."""


@dataclass(frozen=True)
class Claim:
    """A ratio of two measurements that the table shows.

    Attributes:
        text: What it is, after the name of the work.
        over: Name of the measurement that is divided.
        under: By which one.
        least: The goal, if a large ratio is good.
        most: The goal, if a small ratio is good; such ratios are shown in percent.
        share: Shown in percent though it has no goal.
    """

    text: str
    over: str = "opponent"
    under: str = "ours"
    least: float | None = None
    most: float | None = None
    share: bool = False


Labels = Mapping[str, Tensor]
"""What runs gave, by their name."""

Measure = Callable[[Case, int, str], dict[str, Any]]
"""(case, threads, clock) -> "values": measurements by name; "unit"; "gflop", and what else is worth keeping."""


@dataclass(frozen=True)
class Work:
    """One kind of work at one size.

    Attributes:
        name: In the table and on the command line.
        case: The network and its images.
        measure: How it is measured.
        claims: What the table says of it.
        threads: It is measured with each of these numbers of threads.
    """

    name: str
    case: Case
    measure: Measure
    claims: tuple[Claim, ...]
    threads: tuple[int, ...] = (2, 1)


def measure_inference(case: Case, threads: int, clock: str) -> dict[str, Any]:
    """Labels from all modalities and from one."""
    counts = (case.modalities, 1)
    runs = inference_runs(case, counts)

    def alike(labels: Labels) -> float:
        return min(_share_alike(labels[f"opponent, {count}"], labels[f"ours, {count}"]) for count in counts)

    return _timed(runs, case, clock, alike) | {"gflop": inference_gflop(case, counts)}


def measure_subsets(case: Case, threads: int, clock: str) -> dict[str, Any]:
    """Labels from every subset."""

    def alike(labels: Labels) -> float:
        return _share_alike(labels["opponent"], labels["ours"])

    return _timed(subset_runs(case), case, clock, alike) | {"gflop": subset_gflop(case)}


def measure_sized_subsets(case: Case, threads: int, clock: str) -> dict[str, Any]:
    """Labels from every subset; the opponent's time is added up from that of one subset of each size."""
    counts = range(1, case.modalities + 1)
    weights = [math.comb(case.modalities, count) for count in counts]

    def alike(labels: Labels) -> float:
        first = [sum(weights[:place]) for place in range(len(weights))]  # where the subsets of each size begin
        pairs = (
            (labels[f"opponent, {count}"], labels["ours"][place]) for count, place in zip(counts, first, strict=True)
        )
        return min(_share_alike(theirs, mine) for theirs, mine in pairs)

    found = _timed(sized_subset_runs(case), case, clock, alike, rounds=FEW)
    by_size = [found["values"].pop(f"opponent, {count}") for count in counts]
    rounds = zip(*by_size, strict=True)
    found["values"]["opponent"] = [sum(w * s for w, s in zip(weights, seconds, strict=True)) for seconds in rounds]
    return found | {"gflop": subset_gflop(case)}


def measure_step(case: Case, threads: int, clock: str) -> dict[str, Any]:
    """A student's step with all that belongs to it."""
    gflop = step_gflop(case)
    return _timed(step_runs(case), case, clock) | {"gflop": gflop | {"ours, released forms": gflop["ours"]}}


def measure_memory(case: Case, threads: int, clock: str) -> dict[str, Any]:
    """Of a student's step, each side in processes of its own, twice."""
    same = checked_agreement(case)
    sides = {name: [growth_in_fresh_process(name, case, threads) / 1e9 for _ in range(2)] for name in SIDES}
    return {"values": sides, "unit": "GB", "gflop": {}, "agreement": vars(same)}


def _timed(
    runs: Mapping[str, Run],
    case: Case,
    clock: str,
    alike: Callable[[Labels], float] | None = None,
    rounds: int | None = None,
) -> dict[str, Any]:
    """Seconds of each run, after it was shown that both sides agree, as does the share of labels that are `alike`."""
    same, trials = checked_agreement(case), tried(runs, CLOCKS[clock])
    if alike is not None:
        same = replace(same, labels=min(same.labels, alike({name: trial.outcome for name, trial in trials.items()})))
    same.check()
    return {"values": in_turns(runs, trials, CLOCKS[clock], rounds), "unit": "s", "agreement": vars(same)}


def checked_agreement(case: Case) -> Agreement:
    """Of both sides, on two frames of moderate size; raises ValueError unless they compute the same."""
    smaller = (min(case.size[0], CHECKED_SIZE[0]), min(case.size[1], CHECKED_SIZE[1]))
    found = agreement(replace(case, size=smaller, batch=2))
    found.check()
    return found


def _share_alike(one: Tensor, other: Tensor) -> float:
    return float((one == other).double().mean())


def inference(
    case: Case, name: str, goals: tuple[float | None, float | None, float | None] = (None, None, None)
) -> Work:
    """Goals: of all modalities, of one, and of our one beside our all."""
    every = case.modalities
    claims = (
        Claim(f"{every} modalities", f"opponent, {every}", f"ours, {every}", least=goals[0]),
        Claim(f"1 of {every}", "opponent, 1", "ours, 1", least=goals[1]),
        Claim(f"ours: 1 of {every} beside all {every}", "ours, 1", f"ours, {every}", most=goals[2], share=True),
    )
    return Work(name, case, measure_inference, claims)


def subsets(case: Case, name: str, goal: float | None = None) -> Work:
    """All subsets of each frame."""
    return Work(name, case, measure_subsets, (Claim("", least=goal),))


def step(case: Case, name: str, goals: tuple[float | None, float | None] = (None, None)) -> Work:
    """Goals: of the step, and of two losses' share of it."""
    claims = (
        Claim("default losses", least=goals[0]),
        Claim("released losses on both sides", under="ours, released forms"),
        Claim("ours: HPDM + RRM", "HPDM + RRM", most=goals[1], share=True),
    )
    return Work(name, case, measure_step, claims)


def memory(case: Case, name: str, goal: float | None = None) -> Work:
    """The peak of a student's step."""
    claims = (
        Claim("default losses", "ours", "opponent", most=goal, share=True),
        Claim("released losses on both sides", "ours, released forms", "opponent", share=True),
    )
    return Work(name, case, measure_memory, claims, threads=(2,))


def _at(case: Case, height: int, width: int, batch: int = 1) -> Case:
    return replace(case, size=(height, width), batch=batch)


MAIN = (
    inference(B0, "inference 1024x1024", (6, 12, 0.35)),
    subsets(_at(B0, 512, 512), "all 15 subsets 512x512", 20),
    Work("all 15 subsets 1024x1024", B0, measure_sized_subsets, (Claim("", least=20),), threads=(2,)),
    step(_at(B0, 512, 512, 2), "student step 512x512, batch 2", (4, 0.05)),
    memory(_at(B0, 512, 512, 2), "memory of that step", 1 / 3),
)
"""The goals' rows."""

SMALL = tuple(
    work
    for case, name in ((B0, "B0"), (NANO, "nano"))
    for work in (
        inference(_at(case, 256, 256), f"{name}: inference 256x256"),
        inference(_at(case, 96, 128), f"{name}: inference 96x128"),
        inference(_at(case, 96, 128, 8), f"{name}: inference 96x128, batch 8"),
        subsets(_at(case, 96, 128), f"{name}: all 15 subsets 96x128"),
        step(_at(case, 96, 128, 4), f"{name}: student step 96x128, batch 4"),
        memory(_at(case, 96, 128, 4), f"{name}: memory of that step"),
    )
)
"""Small frames and a small network, where less is to be gained."""

WORKS = {work.name: work for work in (*MAIN, *SMALL)}
