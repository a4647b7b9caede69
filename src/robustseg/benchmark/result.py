"""What was measured, and the arithmetic on it: frames per second, what a missing sensor saves."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from robustseg.benchmark.latency import Times
from robustseg.benchmark.memory import Memory
from robustseg.benchmark.settings import Settings
from robustseg.benchmark.subsets import SensorSet


@dataclass(frozen=True)
class Row:
    """One set of sensors.

    Attributes:
        sensors: Which.
        times: Of one batch.
        gmac: Billions of multiply-adds of one frame.
        miou: In percent; None = not scored.
    """

    sensors: SensorSet
    times: Times
    gmac: float
    miou: float | None = None


@dataclass(frozen=True)
class Machine:
    """Where and when it was measured.

    Attributes:
        processor: Or GPU.
        threads: Of the processor.
        torch: Its version.
        version: Of this package.
        date: Year-month-day.
    """

    processor: str
    threads: int
    torch: str
    version: str
    date: str


@dataclass(frozen=True)
class Benchmark:
    """A model's costs.

    Attributes:
        model: What tables call it.
        weights: SHA-256 of its weights.
        backbone: Of its encoder.
        width: Of its decoder.
        parameters: How many it has.
        settings: What was asked for.
        machine: Where it was measured.
        rows: The sets of sensors, the full one last.
        parts: Name -> times of one batch.
        memory: With all sensors.
        split: The evaluation that `miou` is from; "" = there is none.
        note: What is to be known of that evaluation.
    """

    model: str
    weights: str
    backbone: str
    width: int
    parameters: int
    settings: Settings
    machine: Machine
    rows: tuple[Row, ...]
    parts: dict[str, Times]
    memory: Memory
    split: str = ""
    note: str = ""

    @property
    def full(self) -> Row:
        """With every sensor."""
        return self.rows[-1]

    def frames_per_second(self, row: Row) -> float:
        """By the median time."""
        return 1000 * self.settings.batch / row.times.median

    def time_saved(self, row: Row) -> float:
        """Percent of the full set's median time."""
        return saved(row.times.median, self.full.times.median)

    def gmac_saved(self, row: Row) -> float:
        """Percent of the full set's multiply-adds."""
        return saved(row.gmac, self.full.gmac)

    def without(self) -> dict[str, Row]:
        """Sensor -> what is left when it alone is off; empty for a model with one sensor."""
        everything = self.full.sensors.sensors
        left = {row.sensors.sensors: row for row in self.rows}
        names = {name: tuple(other for other in everything if other != name) for name in everything}
        return {name: left[others] for name, others in names.items() if others}

    @property
    def stem(self) -> str:
        """Of the files' names: what was asked for, so that other settings lie beside it."""
        height, width = self.settings.size
        threads = self.machine.threads
        where = f"{threads}thread{'s' * (threads > 1)}" if self.settings.device == "cpu" else self.settings.device
        return f"{height}x{width}_batch{self.settings.batch}_{self.settings.precision}_{where.replace(':', '')}"

    def json(self) -> str:
        """All of it as JSON; null = not known."""
        about = {
            "model": self.model,
            "weights": self.weights,
            "backbone": self.backbone,
            "width": self.width,
            "parameters": self.parameters,
            **asdict(self.settings),
            **asdict(self.machine),
            "memory_mb": asdict(self.memory),
            "split": self.split,
            "note": self.note,
            "units": "milliseconds of one batch; gmac: billions of multiply-adds of one frame; miou, saved: percent",
            "sets": [self._plain(row) for row in self.rows],
            "parts": {name: _milliseconds(times) for name, times in self.parts.items()},
        }
        return json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def _plain(self, row: Row) -> dict[str, Any]:
        return {
            "name": row.sensors.name,
            "sensors": row.sensors.sensors,
            "modalities": row.sensors.modalities,
            "milliseconds": _milliseconds(row.times),
            "frames_per_second": round(self.frames_per_second(row), 3),
            "gmac": row.gmac,
            "time_saved": round(self.time_saved(row), 2),
            "gmac_saved": round(self.gmac_saved(row), 2),
            "miou": row.miou,
        }


def saved(cost: float, full: float) -> float:
    """How many percent less `cost` is than `full`.

    Example:
        >>> saved(3.0, 4.0)
        25.0
    """
    return 100 * (1 - cost / full)


def _milliseconds(times: Times) -> dict[str, Any]:
    runs = [round(value, 4) for value in times.runs]
    return {"median": round(times.median, 4), "p95": round(times.slow, 4), "least": min(runs), "runs": runs}
