"""How well a model of the built-in world notices sick sensors, and what leaving them out is worth.

    python benchmarks/health.py runs/world/student --processes 2

Learns from the training split as `robustseg health` does. Three parts: false alarms on healthy frames of 500 test
scenes, 20 each at 10 Hz; every fault of robustseg.failures at each severity, on 10 scenes of val from their 11th frame
on, 20 frames each; the same with profiles that never saw the fault. Writes benchmarks/results/health.json and
health.md with command, machine and date, and the measured part of docs/health.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from performance_page import write_section
from torch import Tensor

from robustseg.benchmark.machine import processor
from robustseg.build import load
from robustseg.data.sample import Sample
from robustseg.data.world.dataset import SPLITS, sequence
from robustseg.deploy.health import Learner, Monitor, Profile, learn_health
from robustseg.deploy.predictor import Encoding, Predictor
from robustseg.failures import FAULTS, SEVERITIES, apply_fault, generator_for, sensor_faults, stale
from robustseg.files import write_text
from robustseg.frames import open_frames
from robustseg.metrics import count, mean_iou
from robustseg.modalities import Modality
from robustseg.progress import progress_bar
from robustseg.scoring import model_recipe

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "health.md"
RATE = 0.1
"""Seconds between frames."""

BEFORE, DURING = 10, 20
"""Frames of a scene before a fault begins, and with it."""

CHANGING = ("noise", "underexposure", "motion_blur", "beam_loss")
"""Faults that are another in each frame."""

Counts = Int64[Tensor, "K 3"]


@dataclass(frozen=True)
class Row:
    """A fault of a sensor at a severity.

    Attributes:
        noticed: Share of its frames on which the sensor is doubtful or sick.
        left_out: Share on which it is left out.
        delay: Frames from the fault's begin to the first on which it is noticed, the median over scenes; None = in most
            scenes never.
        trusted: mIoU with the broken sensor.
        watched: mIoU where the monitor decides.
        switched_off: mIoU without the sensor.
    """

    fault: str
    sensor: str
    severity: int
    noticed: float
    left_out: float
    delay: float | None
    trusted: float
    watched: float
    switched_off: float


@dataclass
class Healthy:
    """Verdicts on healthy images of one sensor in one condition."""

    images: int = 0
    doubtful: int = 0
    left_out: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model folder of the built-in world")
    parser.add_argument("--limit", type=int, default=400, help="training frames that are seen broken")
    parser.add_argument("--scenes", type=int, default=500, help="of healthy frames, 20 each")
    parser.add_argument("--broken-scenes", type=int, default=10)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    learner = learn(arguments.model, arguments.limit)
    faults = [name for name, fault in FAULTS.items() if not fault.temporal]
    profiles = {fault: learner.profiles(without=fault) for fault in ("", *faults)}
    scenes = [SPLITS["test"] + scene for scene in range(arguments.scenes)]
    broken = [SPLITS["val"] + scene for scene in range(arguments.broken_scenes)]
    torch.set_num_threads(1)
    with ProcessPoolExecutor(arguments.processes, mp_context=get_context("spawn")) as pool:
        alarms = merged(pool.map(partial(healthy_scene, arguments.model, profiles[""]), scenes))
        found = list(pool.map(partial(broken_scene, arguments.model, profiles), broken))
    report(arguments, alarms, rows(found, seen=True), rows(found, seen=False))


def learn(folder: Path, limit: int) -> Learner:
    """From the training split, as robustseg health does."""
    recipe = model_recipe(folder, recipe_file=None, root="")
    frames = open_frames(recipe.data, recipe.data.train)
    with progress_bar("learning") as progress:
        return learn_health(Predictor(load(folder)), frames, limit=limit, progress=progress)


Verdicts = dict[tuple[str, str], Healthy]
"""By sensor and condition."""


def healthy_scene(folder: Path, profiles: dict[str, Profile], scene: int) -> Verdicts:
    """What is thought of a scene in which nothing is broken."""
    predictor = predictor_of(folder)
    monitor, found = Monitor(profiles, predictor.modalities), {}
    for sample in film(folder, scene, 20):
        for place, modality in enumerate(predictor.modalities):
            image = sample.images[place]
            verdict = monitor.judge(modality.name, encoded(predictor, place, image), stamp=sample.time)
            entry = found.setdefault((modality.name, sample.tags["condition"]), Healthy())
            entry.images += 1
            entry.doubtful += verdict.doubtful
            entry.left_out += verdict.sick
    return found


def merged(parts: Iterable[Verdicts]) -> Verdicts:
    """All scenes together."""
    total: Verdicts = {}
    for part in parts:
        for key, entry in part.items():
            sum_ = total.setdefault(key, Healthy())
            sum_.images += entry.images
            sum_.doubtful += entry.doubtful
            sum_.left_out += entry.left_out
    return total


@dataclass(frozen=True)
class Film:
    """A scene in which one sensor breaks.

    Attributes:
        verdicts: Of each frame with the fault: noticed, left out.
        trusted: Counts "K 3" with the broken sensor, all frames together.
        watched: Where the monitor decides.
        switched_off: Without the sensor.
    """

    verdicts: tuple[tuple[bool, bool], ...]
    trusted: Counts
    watched: Counts
    switched_off: Counts


Films = dict[tuple[str, str, int, bool], Film]
"""By fault, sensor, severity, and whether the profiles had seen the fault."""


def broken_scene(folder: Path, profiles: dict[str, dict[str, Profile]], scene: int) -> Films:
    """Every fault of every sensor at every severity, in one scene."""
    predictor = predictor_of(folder)
    samples = film(folder, scene, BEFORE + DURING)
    encodings = [[encoded(predictor, place, image) for place, image in enumerate(sample.images)] for sample in samples]
    found: Films = {}
    for place, modality in enumerate(predictor.modalities):
        others = [[entry for other, entry in enumerate(frame) if other != place] for frame in encodings]
        without = [counted(predictor, frame, sample) for frame, sample in zip(others, samples, strict=True)]
        for fault in sensor_faults([modality], temporal=True):
            for severity in SEVERITIES:
                shown = [
                    encoded(predictor, place, image) for image in broken(samples, place, fault, modality, severity)
                ]
                trusted = [
                    counted(predictor, [*frame, own], sample)
                    for frame, own, sample in zip(others[BEFORE:], shown, samples[BEFORE:], strict=True)
                ]
                for seen in (True, False):
                    known = profiles["" if seen or fault not in profiles else fault]
                    monitor = Monitor(known, predictor.modalities)
                    for sample, frame in zip(samples[:BEFORE], encodings, strict=False):
                        monitor.judge(modality.name, frame[place], stamp=sample.time)
                    verdicts = [
                        monitor.judge(modality.name, own, stamp=sample.time)
                        for own, sample in zip(shown, samples[BEFORE:], strict=True)
                    ]
                    watched = [
                        off if verdict.sick else on
                        for verdict, on, off in zip(verdicts, trusted, without[BEFORE:], strict=True)
                    ]
                    found[fault, modality.name, severity, seen] = Film(
                        tuple((verdict.doubtful, verdict.sick) for verdict in verdicts),
                        sum_of(trusted),
                        sum_of(watched),
                        sum_of(without[BEFORE:]),
                    )
    return found


def film(folder: Path, scene: int, frames: int) -> list[Sample]:
    """So many frames of a scene of the model's world."""
    world = model_recipe(folder, recipe_file=None, root="").data
    times = [round(RATE * number, 3) for number in range(frames)]
    return sequence(scene, times, seed=world.world.seed, size=world.size)


def broken(
    samples: Sequence[Sample], place: int, fault: str, modality: Modality, severity: int
) -> Iterator[Float[Tensor, "3 H W"]]:
    """What the sensor shows in each frame from `BEFORE` on. A spot or a turn stays where it is, noise does not."""
    for position, sample in enumerate(samples[BEFORE:]):
        if FAULTS[fault].temporal:
            yield samples[BEFORE + stale(fault, severity, position)].images[place]
            continue
        frame = str(position) if fault in CHANGING else ""
        generator = generator_for(0, sample.sequence, modality.device, fault, frame)
        yield apply_fault(fault, sample.images[place], modality, severity, generator)


@cache
def predictor_of(folder: Path) -> Predictor:
    """On one thread: other processes have the others."""
    torch.set_num_threads(1)
    return Predictor(load(folder))


def encoded(predictor: Predictor, place: int, image: Float[Tensor, "3 H W"]) -> Encoding:
    return predictor.encode(predictor.modalities[place].name, image.movedim(0, -1))


def counted(predictor: Predictor, encodings: Sequence[Encoding], sample: Sample) -> Counts:
    labels = torch.from_numpy(predictor.answer(encodings).labels).long()
    return count(labels[None], sample.labels[None], len(predictor.model.card.classes))[0]


def sum_of(counts: Sequence[Counts]) -> Counts:
    return torch.stack(list(counts)).sum(dim=0)


def rows(found: Sequence[Films], *, seen: bool) -> list[Row]:
    """All scenes together."""
    keys = [key for key in found[0] if key[3] == seen]
    return [row_of(key, [films[key] for films in found]) for key in keys]


def row_of(key: tuple[str, str, int, bool], films: Sequence[Film]) -> Row:
    fault, sensor, severity, _ = key
    verdicts = [verdict for film in films for verdict in film.verdicts]
    firsts = [next((place for place, (noticed, _) in enumerate(film.verdicts) if noticed), None) for film in films]
    known = sorted(first if first is not None else DURING for first in firsts)
    middle = known[len(known) // 2]
    scores = {
        name: float(mean_iou(sum_of([getattr(film, name) for film in films])))
        for name in ("trusted", "watched", "switched_off")
    }
    return Row(
        fault,
        sensor,
        severity,
        noticed=sum(noticed for noticed, _ in verdicts) / len(verdicts),
        left_out=sum(left_out for _, left_out in verdicts) / len(verdicts),
        delay=middle if middle < DURING else None,
        **scores,
    )


def upper_bound(alarms: int, images: int) -> float:
    """Of the rate of alarms, 95 % one-sided: Clopper and Pearson's, found by halving."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        logs = [
            math.lgamma(images + 1)
            - math.lgamma(k + 1)
            - math.lgamma(images - k + 1)
            + k * math.log(middle)
            + (images - k) * math.log1p(-middle)
            for k in range(alarms + 1)
        ]
        low, high = (middle, high) if sum(map(math.exp, logs)) > 0.05 else (low, middle)
    return high


def report(arguments: argparse.Namespace, alarms: Verdicts, seen: list[Row], unseen: list[Row]) -> None:
    """Prints the tables and writes them beside this script, and the short ones into the page."""
    facts = {
        "command": "python " + " ".join(sys.argv),
        "date": datetime.date.today().isoformat(),
        "machine": f"{processor(torch.device('cpu'))}, torch {torch.__version__}",
        "training frames seen broken": arguments.limit,
    }
    made = f"`{facts['command']}`, {facts['date']}, {facts['machine']}."
    short = [
        *("Faults that the profiles were learned from:", fault_summary(seen)),
        *("The same where the profiles never saw the fault:", fault_summary(unseen)),
        *("Healthy images on which a sensor was left out, or doubtful:", alarm_table(alarms)),
    ]
    long = ["## Every fault that the profiles were learned from", fault_table(seen)]
    long += ["## The same with profiles that never saw the fault", fault_table(unseen)]
    text = "\n\n".join(["# Health of sensors", made, *short, *long])
    print(text)
    record = {
        "facts": facts,
        "alarms": [{"sensor": sensor, "condition": where} | asdict(entry) for (sensor, where), entry in alarms.items()],
        "seen": [asdict(row) for row in seen],
        "unseen": [asdict(row) for row in unseen],
    }
    write_text(RESULTS / "health.json", json.dumps(record, indent=1) + "\n")
    write_text(RESULTS / "health.md", text + "\n")
    write_section(PAGE, "health", "\n\n".join([*short, made]).splitlines())


def fault_summary(found: Sequence[Row]) -> str:
    """A row per fault: shares at the least, the middle and the greatest severity, what was regained over all.

    The delay is the longest that is known of any sensor at the greatest severity.
    """
    lines = ["| fault | noticed % | left out % | delay | regained | worst | best |", "|:--|--:|--:|--:|--:|:--|:--|"]
    for fault in dict.fromkeys(row.fault for row in found):
        own = [row for row in found if row.fault == fault]
        delays = [row.delay for row in own if row.severity == SEVERITIES[-1]]
        longest = "not noticed" if None in delays else f"{max(delay for delay in delays if delay is not None):g}"
        worst, best = (pick(own, key=regained) for pick in (min, max))
        cells = [fault, *(shares(own, name) for name in ("noticed", "left_out")), longest]
        cells += [f"{sum(map(regained, own)) / len(own):+.2f}", *map(extreme, (worst, best))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def regained(row: Row) -> float:
    """Points of mIoU."""
    return row.watched - row.trusted


def extreme(row: Row) -> str:
    """What was regained, and where."""
    return f"{regained(row):+.2f} ({row.sensor}, {row.severity})"


def shares(found: Sequence[Row], name: str) -> str:
    """In percent, the mean over sensors, at three severities."""
    picked = [
        [getattr(row, name) for row in found if row.severity == severity]
        for severity in (SEVERITIES[0], SEVERITIES[len(SEVERITIES) // 2], SEVERITIES[-1])
    ]
    return ", ".join(f"{100 * sum(values) / len(values):.0f}" for values in picked)


def alarm_table(alarms: Verdicts) -> str:
    """Per 1,000 images, each sensor and condition, with the upper 95 % bound of all."""
    lines = ["| sensor | condition | images | left out | doubtful |", "|:--|:--|--:|--:|--:|"]
    lines += [
        f"| {sensor} | {where} | {entry.images} | {entry.left_out} | {entry.doubtful} |"
        for (sensor, where), entry in sorted(alarms.items())
    ]
    images, left_out, doubtful = (
        sum(getattr(e, key) for e in alarms.values()) for key in ("images", "left_out", "doubtful")
    )
    lines.append(f"| **all** |  | {images} | {left_out} | {doubtful} |")
    bounds = [f"{1000 * n / images:.2f} ({1000 * upper_bound(n, images):.2f})" for n in (left_out, doubtful)]
    return (
        "\n".join(lines)
        + f"\n\nPer 1,000 images, with the upper 95 % bound: left out {bounds[0]}, doubtful {bounds[1]}."
    )


def fault_table(found: Sequence[Row]) -> str:
    """A row per fault, sensor and severity."""
    head = (
        "| fault | sensor | severity | noticed % | left out % | delay | trusted | watched | regained | switched off |"
    )
    lines = [head, "|:--|:--|--:|--:|--:|--:|--:|--:|--:|--:|"]
    for row in found:
        delay = "" if row.delay is None else f"{row.delay:g}"
        scores = f"{row.trusted:.2f} | {row.watched:.2f} | {row.watched - row.trusted:+.2f} | {row.switched_off:.2f}"
        shares = f"{100 * row.noticed:.0f} | {100 * row.left_out:.0f}"
        lines.append(f"| {row.fault} | {row.sensor} | {row.severity} | {shares} | {delay} | {scores} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
