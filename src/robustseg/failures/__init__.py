"""What goes wrong with sensors, as pure functions: missing modalities, published corruptions, faults from the field.

`subsets` says which modalities are there. `corruptions` hold after normalisation, `faults` before it, in the modality's
unit. All randomness comes from generators that are passed in; `generator_for` makes them.
"""

from robustseg.failures.corruptions import NOISE_LEVELS, Level, add_noise, drop_elements, drop_pixels
from robustseg.failures.faults import FAULTS, SEVERITIES, Fault, applies, apply_fault, stale
from robustseg.failures.hits import hit_at_random, hit_sensor, sensor_faults
from robustseg.failures.randomness import generator_for
from robustseg.failures.sight import draw_sight
from robustseg.failures.subsets import (
    FEW_ABOVE,
    MOST_MODALITIES,
    all_subsets,
    draw_present,
    drop,
    evaluation_subsets,
    few_subsets,
    keep_some,
    places_of,
    subset_letters,
    subset_name,
)

__all__ = [
    "FAULTS",
    "FEW_ABOVE",
    "MOST_MODALITIES",
    "NOISE_LEVELS",
    "SEVERITIES",
    "Fault",
    "Level",
    "add_noise",
    "all_subsets",
    "applies",
    "apply_fault",
    "draw_present",
    "draw_sight",
    "drop",
    "drop_elements",
    "drop_pixels",
    "evaluation_subsets",
    "few_subsets",
    "generator_for",
    "hit_at_random",
    "hit_sensor",
    "keep_some",
    "places_of",
    "sensor_faults",
    "stale",
    "subset_letters",
    "subset_name",
]
