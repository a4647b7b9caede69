"""What a protocol shows the model: cases, each a variant of every modality's image, or its absence.

Cases name what is shown, not how: `robustseg.robustness.variants` makes the images. Two cases that share a variant of a
modality share its encoding.

Shapes: S rows of a protocol, M modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from robustseg.failures import FAULTS, NOISE_LEVELS, SEVERITIES, applies, evaluation_subsets, places_of
from robustseg.modalities import Modality, sensors

Which = Literal["auto", "all", "few"]

RATES = (0.25, 0.5, 0.75)
"""The published shares of a missing modality's elements that are lost."""

PROTOCOLS = (
    "emm",
    "emm_zero",
    *(f"rmm_{rate:g}" for rate in RATES),
    *(f"rmm_pixel_{rate:g}" for rate in RATES),
    "nm",
    "faults",
)


@dataclass(frozen=True)
class Variant:
    """One way in which a modality's image is shown.

    Attributes:
        kind: "clean"; "zero" = zeros after normalisation; "elements", "pixels" = a share `amount` of them is zero after
            normalisation; "noise" = of level `what`; "fault" = `what` at severity `amount`.
        what: See `kind`.
        amount: See `kind`.
    """

    kind: Literal["clean", "zero", "elements", "pixels", "noise", "fault"]
    what: str = ""
    amount: float = 0.0


CLEAN, ZERO = Variant("clean"), Variant("zero")


@dataclass(frozen=True)
class Case:
    """One row of a protocol's table.

    Attributes:
        variants: Of each modality; None = it is removed.
        present: The modalities that are not missing, which name the row.
        state: What is wrong besides; "" = nothing.
        needs: The modalities of which a frame must have one to be scored.
    """

    variants: tuple[Variant | None, ...]
    present: tuple[bool, ...]
    state: str = ""
    needs: tuple[bool, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", self.needs or self.present)


def protocol_cases(
    protocol: str, modalities: Sequence[Modality], which: Which = "auto", one_of: Sequence[str] = ()
) -> tuple[Case, ...]:
    """The rows of a protocol, see `PROTOCOLS`.

    "emm": entire modalities are missing, and leave the model in its own way. "emm_zero": they are images of zeros, and
    stay in the mean. "rmm_R", "rmm_pixel_R": a share R of the elements, or pixels, of the missing ones is zero. "nm":
    all are noisy. "faults": one sensor has one fault.

    Args:
        protocol: One of `PROTOCOLS`.
        modalities: The model's inputs.
        which: The subsets of modalities that the first three kinds walk through.
        one_of: Modalities of which each of these subsets holds one, and each frame that is scored has one of those
            that the subset holds; empty = any.

    Raises:
        ValueError: There is no such protocol or modality.
    """
    telling = places_of(one_of, modalities)
    rows = evaluation_subsets(len(modalities), which, telling)
    match protocol.split("_"):
        case ["emm"]:
            return subset_cases(rows, one_of=telling)
        case ["emm", "zero"]:
            return subset_cases(rows, ZERO, one_of=telling)
        case ["rmm", rate] if protocol in PROTOCOLS:
            return subset_cases(rows, Variant("elements", amount=float(rate)), one_of=telling)
        case ["rmm", "pixel", rate] if protocol in PROTOCOLS:
            return subset_cases(rows, Variant("pixels", amount=float(rate)), one_of=telling)
        case ["nm"]:
            return tuple(_everywhere(Variant("noise", level), len(modalities), level) for level in NOISE_LEVELS)
        case ["faults"]:
            return tuple(_fault_cases(modalities))
        case _:
            raise ValueError(f"there is no protocol {protocol!r}; choose of {', '.join(PROTOCOLS)}")


def subset_cases(
    rows: Bool[Tensor, "S M"], instead: Variant | None = None, *, one_of: Bool[Tensor, " M"] | None = None
) -> tuple[Case, ...]:
    """A case for each subset: its modalities clean, the others `instead`; None = removed.

    Frames that have none of a subset's modalities in `one_of` are not scored; None = in the subset.
    """
    needs = rows if one_of is None else rows & one_of
    return tuple(
        Case(tuple(CLEAN if here else instead for here in row), tuple(row), needs=tuple(needed))
        for row, needed in zip(rows.tolist(), needs.tolist(), strict=True)
    )


def fault_state(fault: str, sensor: str, severity: int) -> str:
    """What a row of "faults" is called.

    Example:
        >>> parse_state(fault_state("beam_loss", "lidar", 3))
        ('beam_loss', 'lidar', 3)
    """
    return f"{fault}@{sensor}:{severity}"


def parse_state(state: str) -> tuple[str, str, int]:
    """Fault, sensor and severity of a row of "faults".

    Raises:
        ValueError: It is none.
    """
    fault, at, rest = state.partition("@")
    sensor, colon, severity = rest.rpartition(":")
    if not at or not colon or not severity.isdigit():
        raise ValueError(f"{state!r} is no fault@sensor:severity")
    return fault, sensor, int(severity)


def case_rows(cases: Sequence[Case]) -> Bool[Tensor, "S M"]:
    """The modalities that are not missing in each case."""
    return torch.tensor([case.present for case in cases], dtype=torch.bool)


def _everywhere(variant: Variant, count: int, state: str) -> Case:
    return Case((variant,) * count, (True,) * count, state)


def _fault_cases(modalities: Sequence[Modality]) -> list[Case]:
    """For each fault, sensor it can happen to, and severity: the sensor's modalities that it applies to have it."""
    count = len(modalities)
    cases = []
    for fault in FAULTS:
        for sensor, own in sensors(modalities).items():
            hit = tuple(place in own and applies(fault, modalities[place]) for place in range(count))
            for severity in SEVERITIES if any(hit) else ():
                variant = Variant("fault", fault, float(severity))
                shown = tuple(variant if here else CLEAN for here in hit)
                cases.append(Case(shown, (True,) * count, fault_state(fault, sensor, severity), needs=hit))
    return cases
