"""Faults from the field: what breaks, how badly in physical units, and which sensors it can happen to.

A fault is a pure function of an image in its modality's unit, before normalisation. The five values of a fault are its
severities 1 to 5. With the same random numbers a higher severity breaks what a lower one broke, and more.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Generator, Tensor

from robustseg.failures import optics, ranging, readout
from robustseg.modalities import Modality

SEVERITIES = (1, 2, 3, 4, 5)

EVERY = ("camera", "depth", "event", "lidar", "radar", "polarisation", "")
"""All sorts of sensors; "" = unknown."""


@dataclass(frozen=True)
class Fault:
    """A row of the table of faults.

    Attributes:
        name: What rows of results call it.
        about: What happens, in one line.
        unit: Of the values.
        values: Of severities 1 to 5.
        sorts: The sorts of sensors that it can happen to, see `Modality.sort`.
        temporal: Another frame of the sequence is shown, see `stale`; the image itself is well.
    """

    name: str
    about: str
    unit: str
    values: tuple[float, float, float, float, float]
    sorts: tuple[str, ...] = EVERY
    temporal: bool = False


_TABLE = (
    Fault(
        "blackout",
        "part of the image never arrives: rows of a camera, a sector of a spinning LiDAR or radar",
        "% of the view",
        (20, 40, 60, 80, 100),
    ),
    Fault(
        "frozen_frame",
        "the sensor repeats a frame so many times before it shows the next",
        "frames held",
        (2, 3, 5, 10, 20),
        temporal=True,
    ),
    Fault(
        "late_frame",
        "the image that arrives is so many frames old",
        "frames old",
        (1, 2, 3, 5, 10),
        temporal=True,
    ),
    Fault("overexposure", "too much light; what exceeds the range is white", "stops", (1, 2, 3, 4, 5), ("camera",)),
    Fault("underexposure", "too little light, and the noise of dark pixels", "stops", (1, 2, 3, 4, 5), ("camera",)),
    Fault(
        "motion_blur",
        "the camera moves during the exposure, in a random direction",
        "% of the width",
        (0.5, 1, 2, 4, 8),
        ("camera", "polarisation"),
    ),
    Fault(
        "lens_dirt",
        "opaque spots, out of focus: cameras see dirt there, sensors of distance and events see nothing",
        "% of the lens",
        (5, 10, 20, 35, 50),
        ("camera", "depth", "event", "lidar", "polarisation"),
    ),
    Fault(
        "beam_loss", "random beams, that is rings, return nothing", "% of the beams", (10, 25, 50, 75, 90), ("lidar",)
    ),
    Fault(
        "range_loss",
        "rain or fog swallows far echoes",
        "m visibility",
        (400, 200, 100, 50, 25),
        ("lidar",),
    ),
    Fault(
        "drift",
        "the mounting has turned in a random direction, and as much about the line of sight",
        "degrees",
        (0.25, 0.5, 1, 2, 4),
    ),
    Fault(
        "noise",
        "images: noise and stripes, of the full scale; events: pixels that fire for no reason; LiDAR and radar: "
        "echoes that are false",
        "%",
        (5, 10, 20, 35, 50),
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _TABLE}


def fault_named(name: str) -> Fault:
    """The row of the table.

    Raises:
        ValueError: There is no such fault.
    """
    if name not in FAULTS:
        raise ValueError(f"there is no fault {name!r}; known are {', '.join(FAULTS)}")
    return FAULTS[name]


def fault_value(fault: str, severity: int) -> float:
    """The fault's value, in its unit, at a severity.

    Raises:
        ValueError: There is no such fault, or the severity is not 1 to 5.
    """
    row = fault_named(fault)
    if severity not in SEVERITIES:
        raise ValueError(f"severity of {fault} is 1 to 5, got {severity}")
    return row.values[severity - 1]


def applies(fault: str, modality: Modality) -> bool:
    """Whether the fault can happen to this modality's sort of sensor.

    Example:
        >>> applies("beam_loss", Modality("lidar", kind="lidar")), applies("beam_loss", Modality("rgb", kind="camera"))
        (True, False)
    """
    return modality.sort in fault_named(fault).sorts


def stale(fault: str, severity: int, position: int) -> int:
    """Which position of the sequence a temporal fault shows in place of `position`, the same or an earlier one.

    A frozen sensor shows every n-th frame, a late one the n-th before; below 0 = the sequence does not reach so far.

    Args:
        fault: late_frame or frozen_frame.
        severity: 1 to 5.
        position: Of the frame in its sequence, from 0.

    Raises:
        ValueError: The fault is not temporal, or `position` is negative.

    Example:
        >>> [stale("late_frame", 2, position) for position in range(5)]
        [-2, -1, 0, 1, 2]
        >>> [stale("frozen_frame", 2, position) for position in range(7)]
        [0, 0, 0, 3, 3, 3, 6]
    """
    frames = int(fault_value(fault, severity))
    if position < 0:
        raise ValueError(f"positions count from 0, got {position}")
    match fault:
        case "late_frame":
            return position - frames
        case "frozen_frame":
            return position - position % frames
        case _:
            raise ValueError(f"{fault} happens within a frame: call apply_fault")


def apply_fault(
    fault: str, image: Float[Tensor, "3 H W"], modality: Modality, severity: int, generator: Generator
) -> Float[Tensor, "3 H W"]:
    """The image as the broken sensor gives it: a new tensor of the same size, type and device.

    Values stay within what the modality can hold, and pixels where the sensor saw nothing stay `modality.missing`,
    unless the fault is that it sees what is not there. A sensor that feeds several modalities takes `hit_sensor`, or
    generators of the same state for all of them, so that the same part of the view is hit.

    Args:
        fault: Its name in `FAULTS`; not a temporal one.
        image: In the modality's unit, before normalisation, values finite.
        modality: Of the image.
        severity: 1 to 5.
        generator: On the CPU.

    Raises:
        ValueError: The fault does not apply to the modality, or is temporal; the severity is not 1 to 5.
    """
    value = fault_value(fault, severity)
    if not applies(fault, modality):
        raise ValueError(f"{fault} cannot happen to {modality.name} (kind {modality.sort!r}); check with `applies`")
    pixels = image.float().numpy(force=True)
    match fault:
        case "blackout":
            broken = readout.blackout(pixels, modality, value / 100, generator)
        case "overexposure":
            broken = optics.exposed(pixels, modality, value, generator)
        case "underexposure":
            broken = optics.exposed(pixels, modality, -value, generator)
        case "motion_blur":
            broken = optics.motion_blur(pixels, modality, value / 100, generator)
        case "lens_dirt":
            broken = optics.lens_dirt(pixels, modality, value / 100, generator)
        case "beam_loss":
            broken = ranging.beam_loss(pixels, modality, value / 100, generator)
        case "range_loss":
            broken = ranging.range_loss(pixels, modality, value, generator)
        case "drift":
            broken = readout.drift(pixels, modality, value, generator)
        case "noise":
            broken = readout.noise(pixels, modality, value / 100, generator)
        case _:
            raise ValueError(f"{fault} shows another frame of the sequence: call stale")
    return image.new_tensor(broken)
