"""The vehicle's own motion, from which moving sensors' points are brought to the instant of the camera's exposure.

The receiver's axes: x front, y right, z down; MUSES' development kit moves and turns points in them, and so does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

WORDS = 28
SPEED, RATES = 23, slice(17, 20)
"""Places of the speed over ground in mm/s and of the rates of roll, pitch and heading in 1e-5 degrees/s."""

LARGEST = 2**16
"""Bytes; the files hold one line."""


@dataclass(frozen=True)
class Motion:
    """How the vehicle moved when a scene was taken.

    Attributes:
        speed: Forwards, in m/s.
        rates: Of roll, pitch and heading, in rad/s.
    """

    speed: float
    rates: tuple[float, float, float]


def read_motion(path: Path) -> Motion:
    """Reads the line of 28 integers that the GNSS receiver wrote for a scene.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        with path.open("rb") as stream:
            values = [int(word) for word in stream.readline(LARGEST).split()]
    except ValueError:
        values = []
    if len(values) != WORDS:
        raise ValueError(f"{path} is no GNSS record: its first line must hold {WORDS} integers")
    roll, pitch, heading = (np.radians(value * 1e-5) for value in values[RATES])
    return Motion(values[SPEED] / 1000, (float(roll), float(pitch), float(heading)))


def moved(
    points: Float64[np.ndarray, "N 3"],
    seconds: Float64[np.ndarray, " N"],
    motion: Motion,
    to_receiver: Float64[np.ndarray, "4 4"],
) -> Float64[np.ndarray, "N 3"]:
    """Where the points would have been measured at second 0: shifted along x by the way driven, then turned.

    Args:
        points: In the sensor's axes.
        seconds: When each was measured, after the instant to which they are brought.
        motion: Of the vehicle.
        to_receiver: From the sensor's axes to the receiver's.
    """
    there = points @ to_receiver[:3, :3].T + to_receiver[:3, 3]
    there[:, 0] += motion.speed * seconds
    roll, pitch, heading = (rate * seconds for rate in motion.rates)
    x, y, z = there.T
    y, z = np.cos(roll) * y - np.sin(roll) * z, np.sin(roll) * y + np.cos(roll) * z
    x, z = np.cos(pitch) * x + np.sin(pitch) * z, -np.sin(pitch) * x + np.cos(pitch) * z
    x, y = np.cos(heading) * x - np.sin(heading) * y, np.sin(heading) * x + np.cos(heading) * y
    back = np.linalg.inv(to_receiver)
    return np.column_stack([x, y, z]) @ back[:3, :3].T + back[:3, 3]
