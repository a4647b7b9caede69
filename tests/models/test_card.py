import json
from dataclasses import replace

import pytest

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import CARD_FILE, ModelCard, read_card, write_card

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
        ({"private": ("norm", "norm")}, "private names a part twice"),
        ({"resize": (0, 128)}, "resize must lie in"),
        ({"temperatures": (1.0,)}, "must be none or 2"),
        ({"temperatures": (1.0, 0.01)}, r"must lie in 0.05..20, got \(1.0, 0.01\)"),
        ({"temperatures": (1.0, float("nan"))}, "must lie in"),
        ({"temperatures": (float("inf"), 1.0)}, "must lie in"),
        ({"frequency": (0.5, 0.5)}, "none or the shares of 1 classes"),
        ({"frequency": (0.5,)}, "1 together"),
        ({"frequency": (float("nan"),)}, "1 together"),
    ],
)
def test_absurd_cards_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(CARD, **change)


def test_what_was_measured_is_read_back_and_older_cards_have_none(tmp_path) -> None:
    card = replace(CARD, sha256="0" * 64, temperatures=(1.5, 1.25), calibrated_on="0.1 of train", frequency=(1.0,))
    write_card(tmp_path, card)
    assert read_card(tmp_path) == card
    old = json.loads((tmp_path / CARD_FILE).read_text())
    for key in ("temperatures", "calibrated_on", "frequency"):
        del old[key]
    (tmp_path / CARD_FILE).write_text(json.dumps(old))
    assert read_card(tmp_path) == replace(CARD, sha256="0" * 64)
