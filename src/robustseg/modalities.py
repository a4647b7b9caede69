"""Modalities and sensors: what each input image of the model is, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

Triple = tuple[float, float, float]

IMAGENET_MEAN: Triple = (123.675, 116.28, 103.53)
IMAGENET_STD: Triple = (58.395, 57.12, 57.375)
DEFAULT_PATTERN = "{modality}/{split}/{name}.png"


@dataclass(frozen=True)
class Modality:
    """One input image of the model: three float channels, whatever the device behind it.

    Attributes:
        name: What recipes, tables and the predictor call it.
        files: Key -> file pattern below the data root; empty = {name: "{modality}/{split}/{name}.png"}. `{modality}` is
            this modality's name, `{split}` and `{name}` are the split and the frame, any other `{word}` becomes a
            tag of the frame (a condition, say).
        channels: Three expressions over the file keys, see `robustseg.data.channels`: `rgb.0`, `after - before`,
            `sin(aolp)`, `mean(before)`; empty = the first three channels of the only file, or its one channel
            three times.
        scale: Value in `unit` = `scale` * stored value + `offset`, applied to the files before `channels`; not 0.
        offset: See `scale`.
        unit: The unit of the values, for people: "counts", "m", "rad".
        sensor: The device that feeds it; empty = a device of its own. It groups modalities where a sensor is named
            (`--without`) and where tables tell what each sensor is worth; training and evaluation drop modalities one
            by one.
        mean: Of each channel, in `unit`; None = measured on the training split.
        std: Like `mean`; every value above 0.
        resample: How geometric transforms read between pixels: "nearest" for sparse images.
        photometric: Whether colour jitter and blur make sense for it (ordinary cameras).
        kind: What sort of device it is, which tells the faults that can happen to it; empty = "camera" if photometric,
            else unknown.
        mirror: What the channels are multiplied with when the image is mirrored left to right: -1 for the sine of an
            angle, say.
        missing: The value, in `unit`, of a pixel where the sensor saw nothing; fills borders, too.
        metres: Metres per unit of channel 0, where that is the range that a LiDAR measured; 0 = 1 if `unit` is "m",
            else unknown. Only faults ask for it.
    """

    name: str
    files: dict[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    unit: str = "counts"
    sensor: str = ""
    mean: Triple | None = None
    std: Triple | None = None
    resample: Literal["linear", "nearest"] = "linear"
    photometric: bool = False
    kind: Literal["", "camera", "depth", "event", "lidar", "radar", "polarisation"] = ""
    mirror: Triple = (1.0, 1.0, 1.0)
    missing: float = 0.0
    metres: float = 0.0

    def __post_init__(self) -> None:
        if not self.name or not self.name.replace("_", "").replace("-", "").isalnum():
            raise ValueError(f"modality name {self.name!r} must be made of letters, digits, - and _")
        if len(self.channels) not in (0, 3):
            raise ValueError(f"modality {self.name!r}: give three channels or none, got {self.channels}")
        for key in ("scale", "offset", "missing", "metres", "mean", "std"):
            value = getattr(self, key)
            if value is not None and not np.isfinite(value).all():
                raise ValueError(f"modality {self.name!r}: {key} must be finite, got {value}")
        if self.metres < 0:
            raise ValueError(f"modality {self.name!r}: metres is a length of 0 or more, got {self.metres}")
        if self.scale == 0:
            raise ValueError(f"modality {self.name!r}: scale 0 would make every value the same")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise ValueError(f"modality {self.name!r}: every std must be above 0, got {self.std}")
        if not all(abs(factor) == 1 for factor in self.mirror):
            raise ValueError(f"modality {self.name!r}: mirror holds factors of 1 and -1, got {self.mirror}")
        if (self.mean is None) != (self.std is None):
            raise ValueError(f"modality {self.name!r}: give both mean and std, or neither")

    @property
    def device(self) -> str:
        """The sensor that feeds this modality."""
        return self.sensor or self.name

    @property
    def sort(self) -> str:
        """The sort of device: `kind`, or what follows from `photometric`; "" = unknown."""
        return self.kind or ("camera" if self.photometric else "")

    @property
    def range_scale(self) -> float:
        """Metres per unit of channel 0; 0 = channel 0 is no range, or of an unknown unit."""
        return self.metres or float(self.sort == "lidar" and self.unit == "m")

    @property
    def patterns(self) -> dict[str, str]:
        """The file patterns, the default one filled in and `{modality}` replaced."""
        files = self.files or {self.name: DEFAULT_PATTERN}
        return {key: pattern.replace("{modality}", self.name) for key, pattern in files.items()}


def check_modalities(modalities: Sequence[Modality]) -> None:
    """Raises ValueError unless there is at least one modality and all names differ."""
    names = [modality.name for modality in modalities]
    if not names:
        raise ValueError("at least one modality is needed")
    if len(set(names)) != len(names):
        raise ValueError(f"modality names must differ, got {names}")


def sensors(modalities: Sequence[Modality]) -> dict[str, tuple[int, ...]]:
    """Sensor name -> places of the modalities that it feeds.

    Example:
        >>> sensors([Modality("rgb", sensor="camera"), Modality("aolp", sensor="camera"), Modality("lidar")])
        {'camera': (0, 1), 'lidar': (2,)}
    """
    groups: dict[str, tuple[int, ...]] = {}
    for place, modality in enumerate(modalities):
        groups[modality.device] = (*groups.get(modality.device, ()), place)
    return groups


def places(names: Sequence[str], modalities: Sequence[Modality]) -> tuple[int, ...]:
    """Where the named modalities stand; a name may be a sensor's, which stands for all its modalities.

    Raises:
        ValueError: A name is neither a modality's nor a sensor's.
    """
    groups = sensors(modalities)
    found: set[int] = set()
    for name in names:
        own = [place for place, modality in enumerate(modalities) if modality.name == name]
        if not own and name not in groups:
            known = ", ".join(modality.name for modality in modalities)
            raise ValueError(f"there is no modality or sensor {name!r}; this model knows {known}")
        found.update(own or groups[name])
    return tuple(sorted(found))


def leading(present: Sequence[bool], modalities: Sequence[Modality]) -> int:
    """Where the modality stands that gives a frame its size and its backdrop: the first camera present, else the first.

    Raises:
        ValueError: No modality is present.

    Example:
        >>> leading([True, True], [Modality("lidar"), Modality("rgb", photometric=True)])
        1
    """
    found = [place for place, here in enumerate(present) if here]
    if not found:
        raise ValueError("no modality is present, so none can lead")
    return next((place for place in found if modalities[place].photometric), found[0])


def with_statistics(modality: Modality, mean: Triple, std: Triple) -> Modality:
    """The same modality with measured mean and std; a channel that never varies gets std 1."""
    safe = tuple(value if value > 1e-6 else 1.0 for value in std)
    return replace(modality, mean=mean, std=safe)


def chosen(known: Sequence[Modality], names: Sequence[str]) -> tuple[Modality, ...]:
    """The modalities that a recipe's `data.use` names, in its order; all of them if it names none.

    Raises:
        ValueError: A name is unknown or stands twice.

    Example:
        >>> [modality.name for modality in chosen([Modality("rgb"), Modality("lidar")], ["lidar"])]
        ['lidar']
    """
    by_name = {modality.name: modality for modality in known}
    for name in names:
        if name not in by_name:
            raise ValueError(f"data.use names {name!r}, which is none of {', '.join(by_name)}")
    if len(set(names)) != len(names):
        raise ValueError(f"data.use names a modality twice: {', '.join(names)}")
    return tuple(by_name[name] for name in names) if names else tuple(known)
