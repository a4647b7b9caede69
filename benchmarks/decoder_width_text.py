"""The words of benchmarks/decoder_width.py: tables, and a conclusion that is computed from the numbers in them."""

from __future__ import annotations

from statistics import fmean, median
from typing import Any

from robustseg.benchmark.cost import GIGA

Record = dict[str, Any]
RELEASED = "768"
"""Widths are keys of JSON, hence text; all others are compared with this one."""
SUMMARY_NOTE = (
    "Points: of the student. Then, by image side and modalities present: multiply-adds of the whole network, and how "
    "many times as fast it is. What is behind each column follows."
)

COST_NOTE = (
    "B0, 25 classes, one frame by image side and modalities present, the decoder's part in brackets, as it is computed "
    "here: linear steps multiplied together and applied at each stage's own resolution. 1 GMAC = 2 GFLOP."
)

MEMORY_NOTE = "Kept: what a training step keeps of one frame ({} modalities) for its backward pass, weights left out."


def text(record: Record) -> str:
    """The whole Markdown of what has been measured so far."""
    parts = ["## A smaller decoder", conclusion(record)]
    if quality := record.get("quality"):
        parts += [quality_table(quality["scores"]), quality_note(quality["facts"])]
    parts += [cost_table(record["cost"], record.get("memory")), COST_NOTE]
    if memory := record.get("memory"):
        parts.append(MEMORY_NOTE.format(memory["case"]))
    if speed := record.get("speed"):
        parts += [speed_table(speed["seconds"]), speed_note(speed["facts"])]
    return "\n\n".join(parts) + "\n"


def lost(scores: Record, width: str) -> list[float]:
    """Points of the student's mean that a width loses against the released one, for each seed that both have."""
    common = [seed for seed in scores.get(RELEASED, {}) if seed in scores.get(width, {})]
    return [scores[RELEASED][seed]["student"]["mean"] - scores[width][seed]["student"]["mean"] for seed in common]


def seed_range(scores: Record) -> float | None:
    """How far apart the students' means of two seeds of one width lie at most; None if no width has two."""
    found = [[run["student"]["mean"] for run in runs.values()] for runs in scores.values() if len(runs) > 1]
    return max((max(values) - min(values) for values in found), default=None)


def faster(rounds: dict[str, list[float]], width: str) -> list[float]:
    """How many times faster a width is than the released one, in each round."""
    return [wide / narrow for wide, narrow in zip(rounds[RELEASED], rounds[width], strict=True)]


def conclusion(record: Record) -> str:
    """What every narrower width changes against the released one, and what another seed does."""
    scores = record.get("quality", {}).get("scores", {})
    cases = list(record["cost"][RELEASED]["macs"])
    heads = [f"against {RELEASED}", "points of mIoU, mean of subsets", *cases]
    lines = ["| " + " | ".join(heads) + " |", "|--:|" + "--:|" * (len(cases) + 1)]
    for width in record["cost"]:
        if width != RELEASED:
            points = [f"{-fmean(losses):+.2f}" for losses in [lost(scores, width)] if losses] or [""]
            cells = points + [saved(record, width, case) for case in cases]
            lines.append(f"| `--model.width {width}` | " + " | ".join(cells) + " |")
    return "\n\n".join([*([seeds_say(scores)] if scores else []), "\n".join(lines), SUMMARY_NOTE])


def disorder(scores: Record) -> str:
    """How much better a narrower width is than a wider one: a hint of how much is chance."""
    means = [
        fmean(run["student"]["mean"] for run in scores[width].values())
        for width in sorted(scores, key=int, reverse=True)
    ]
    gains = [narrow - wide for place, wide in enumerate(means) for narrow in means[place + 1 :]]
    most = max([0.0, *gains])
    return f"A narrower decoder is better than a wider one by up to {most:.2f} points: that much may be chance."


def saved(record: Record, width: str, case: str) -> str:
    """The share of the multiply-adds that a width saves, and, where it was timed, how many times as fast it is."""
    share = 1 - record["cost"][width]["macs"][case]["all"] / record["cost"][RELEASED]["macs"][case]["all"]
    speed = record.get("speed")
    return f"{-share:.0%}" + (f", {median(faster(speed['seconds'][case], width)):.2f}x" if speed else "")


def seeds_say(scores: Record) -> str:
    """How far a difference can be trusted, and the smallest width whose loss is no larger."""
    spread = seed_range(scores)
    if spread is None:
        return f"One seed, so what another one changes is unknown. {disorder(scores)}"
    within = [width for width in scores if lost(scores, width) and fmean(lost(scores, width)) <= spread]
    said = f"Another seed changes a student's mean over the subsets by up to {spread:.2f} points at one width."
    if within:
        said += f" The smallest width that loses no more than that against {RELEASED} is {min(within, key=int)}."
    return said


def quality_table(scores: Record) -> str:
    """Student and teacher by width: the mean over seeds, and what is lost against the released width by seed."""
    lines = [
        "| width | student, mean of subsets | lost | lost, by seed | all sensors | worst | teacher, mean | all |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for width, runs in sorted(scores.items(), key=lambda item: -int(item[0])):
        losses = [] if width == RELEASED else lost(scores, width)
        cells = [over_seeds(runs, "student", "mean")]
        cells += [f"{fmean(losses):+.2f}" if losses else "", ", ".join(f"{value:+.2f}" for value in losses)]
        cells += [over_seeds(runs, "student", what) for what in ("all", "worst")]
        cells += [over_seeds(runs, "teacher", what) for what in ("mean", "all")]
        lines.append(f"| {width} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def over_seeds(runs: Record, stage: str, what: str) -> str:
    """The mean over a width's seeds."""
    return f"{fmean(run[stage][what] for run in runs.values()):.2f}"


def quality_note(facts: Record) -> str:
    """What was trained, and that one setting served all widths."""
    return (
        f"mIoU in percent on 200 held-out frames of the built-in world, 96x128, mit_nano, {facts['frames']} frames of "
        f"training, {facts['teacher_epochs']} epochs of the teacher and {facts['student_epochs']} of the student. "
        "Schedule and learning rates are the same for all widths; they are the demo's, which were chosen at width 96. "
        "A short schedule: whether a narrow decoder catches up in a longer one was not measured. "
        f"Lost: against width {RELEASED}, negative = better than it. {origin(facts)}"
    )


def cost_table(costs: Record, memory: Record | None = None) -> str:
    """Parameters, multiply-adds by case, and memory where it was measured; the decoder's part in brackets."""
    cases = list(costs[RELEASED]["macs"])
    heads = ["width", "parameters, M", *(f"GMAC {case}" for case in cases), *(["kept, GB"] if memory else [])]
    lines = ["| " + " | ".join(heads) + " |", "|" + "--:|" * len(heads)]
    for width, entry in costs.items():
        cells = [f"{entry['parameters'] / 1e6:.2f} ({entry['decoder_parameters'] / 1e6:.2f})"]
        cells += [f"{work['all'] / GIGA:.2f} ({work['decoder'] / GIGA:.2f})" for work in entry["macs"].values()]
        if memory:
            whole, encoder = (memory["GB"][width][part] for part in ("all", "encoder"))
            cells.append(f"{whole:.2f} ({whole - encoder:.2f})")
        lines.append(f"| {width} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_table(seconds: dict[str, dict[str, list[float]]]) -> str:
    """Median seconds by case and width, and how many times faster than the released width, with the extremes."""
    widths = list(next(iter(seconds.values())))
    lines = ["| width |" + "".join(f" {case} |" for case in seconds), "|--:|" + "--:|" * len(seconds)]
    for width in widths:
        cells = []
        for rounds in seconds.values():
            cell = f"{median(rounds[width]):.3f} s"
            if width != RELEASED:
                ratios = faster(rounds, width)
                cell += f", {median(ratios):.2f}x ({min(ratios):.2f} to {max(ratios):.2f})"
            cells.append(cell)
        lines.append(f"| {width} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def speed_note(facts: Record) -> str:
    """What the times are of."""
    return (
        "Labels of one frame by B0, by image side and modalities present: median, and how many times as fast as width "
        f"{RELEASED} in the same round, least and most in brackets. {facts['rounds']} rounds, {facts['clock']} time. "
        f"{origin(facts)}"
    )


def origin(facts: Record) -> str:
    """Command, date, torch, processor and threads."""
    return (
        f"`{facts['command']}`, {facts['date']}, torch {facts['torch']}, {facts['processor']}, threads: "
        f"{facts['threads']}."
    )
