"""Published results, as data: `published.json`.

Each row says where it is from, and how sure that is: grade A = read in a primary source, B = second-hand notes of it,
C = written by a machine. Numbers are in percent, as printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from robustseg.failures import all_subsets
from robustseg.strict import read_json

ROWS_FILE = Path(__file__).with_name("published.json")

Benchmark = Literal["deliver", "muses", "mcubes"]
Regime = Literal["removed", "zero-fill", "one model per set", "full only"]
Conventions = Literal["published", "strict", "partly published", "unknown"]


@dataclass(frozen=True)
class PublishedRow:
    """One line of a published table.

    Attributes:
        dataset: The benchmark.
        method: Its name; "(re-run)" = by somebody else.
        backbone: As in recipes, "mit_b0"; others as "swin_t"; "" = not stated.
        split: That was scored.
        sensors: Letters of what the model has; "" = not stated.
        regime: What happens to missing inputs. "one model per set": nothing is ever missing.
        labels: The size of the labels that were scored.
        conventions: Of reading and scoring, see `robustseg data conventions`.
        chosen_on: Whether the checkpoint was chosen on the split that is reported.
        source: Where the numbers are from.
        grade: How sure they are.
        full: mIoU with all its sensors.
        subsets: Letters -> mIoU.
        mean: Of all subsets, as printed.
        protocols: "emm_zero average", "rmm_0.5 expected 0.1", "nm low" -> mIoU.
        note: What a reader must know.
    """

    dataset: Benchmark
    method: str
    backbone: str
    split: Literal["val", "test"]
    sensors: str
    regime: Regime
    labels: Literal["1024x1024", "stored", "unknown"]
    conventions: Conventions
    chosen_on: Literal["reported", "other", "unknown"]
    source: str
    grade: Literal["A", "B", "B/C", "C"]
    full: float | None = None
    subsets: dict[str, float] = field(default_factory=dict)
    mean: float | None = None
    protocols: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        scores = [*self.subsets.values(), *self.protocols.values(), *filter(None, (self.full, self.mean))]
        if not scores or not all(0 <= score <= 100 for score in scores):
            raise ValueError(f"{self.method} on {self.dataset} needs scores in percent, got {scores}")
        order = field_order(self.sensors)
        wrong = [letters for letters in self.subsets if letters not in order]
        if wrong:
            raise ValueError(f"{self.method} on {self.dataset}: {wrong[0]!r} is no subset of {self.sensors!r}")


@dataclass(frozen=True)
class PublishedRows:
    """The data file."""

    rows: tuple[PublishedRow, ...]


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All rows of the package.

    Raises:
        ValueError: The file is damaged.
    """
    return read_json(ROWS_FILE, PublishedRows).rows


def field_order(sensors: str) -> tuple[str, ...]:
    """All subsets of a row of letters in the field's order: singles, pairs, ..., all.

    Example:
        >>> field_order("FEL")
        ('F', 'E', 'L', 'FE', 'FL', 'EL', 'FEL')
    """
    if not sensors:
        return ()
    rows = all_subsets(len(sensors)).tolist()
    return tuple("".join(letter for letter, here in zip(sensors, row, strict=True) if here) for row in rows)
