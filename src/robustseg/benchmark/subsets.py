"""Sets of sensors: a sensor that feeds several modalities is there or gone as a whole.

Shapes: M modalities.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, compress

import torch
from jaxtyping import Bool
from torch import Tensor

from robustseg.failures import evaluation_subsets, subset_letters, subset_name
from robustseg.modalities import Modality, sensors


@dataclass(frozen=True)
class SensorSet:
    """Some of a model's sensors.

    Attributes:
        name: "camera+lidar".
        letters: "CL".
        sensors: Their names.
        modalities: The name that evaluations give it: "rgb+aolp+lidar".
        mask: For each modality whether it is there.
    """

    name: str
    letters: str
    sensors: tuple[str, ...]
    modalities: str
    mask: tuple[bool, ...]

    @property
    def size(self) -> int:
        """How many modalities are there: what the cost depends on."""
        return sum(self.mask)

    def present(self, batch: int) -> Bool[Tensor, "B M"]:
        """What the model is told, for a batch of equal frames."""
        return torch.tensor(self.mask).expand(batch, -1)


def sensor_sets(modalities: Sequence[Modality]) -> tuple[SensorSet, ...]:
    """All sets of up to 6 sensors, of more each alone, all but one, all; the full set is the last.

    Example:
        >>> camera = [Modality("rgb", sensor="camera"), Modality("aolp", sensor="camera")]
        >>> [(entry.name, entry.mask) for entry in sensor_sets([*camera, Modality("lidar")])]
        [('camera', (True, True, False)), ('lidar', (False, False, True)), ('camera+lidar', (True, True, True))]
    """
    groups = sensors(modalities)
    names = tuple(groups)
    found = []
    for row in evaluation_subsets(len(groups)):
        chosen = tuple(compress(names, row.tolist()))
        places = set(chain.from_iterable(groups[name] for name in chosen))
        mask = tuple(place in places for place in range(len(modalities)))
        same = subset_name(torch.tensor(mask), modalities)
        found.append(SensorSet(subset_name(row, names), subset_letters(row, names), chosen, same, mask))
    return tuple(found)
