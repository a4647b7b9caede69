from dataclasses import replace

import pytest

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard

CARD = ModelCard(
    "mit_nano", 24, (LabelClass("road", (1, 2, 3)),), (Modality("rgb"), Modality("lidar")), "remove", (96, 128)
)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "resnet"}, "backbone 'resnet' is none of mit_nano"),
        ({"width": 0}, "width must lie in"),
        ({"width": 10**9}, "width must lie in"),
        ({"classes": ()}, "between 1 and 255 classes"),
        ({"classes": CARD.classes * 300}, "between 1 and 255 classes"),
        ({"classes": (LabelClass("a", (0, 0, 0), (3,)), LabelClass("b", (0, 0, 0), (3,)))}, "already taken"),
        ({"modalities": ()}, "at least one modality"),
        ({"modalities": CARD.modalities * 2}, "names must differ"),
        ({"modalities": tuple(Modality(f"m{i}") for i in range(65))}, "at most 64 modalities"),
        ({"input_size": (96, 10**6)}, "input_size must lie in"),
        ({"resize": (0, 128)}, "resize must lie in"),
    ],
)
def test_absurd_cards_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CARD, **change)
