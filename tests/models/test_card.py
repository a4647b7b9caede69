import hashlib
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
    for key in ("temperatures", "calibrated_on", "frequency", "card_sha256"):
        del old[key]
    (tmp_path / CARD_FILE).write_text(json.dumps(old))
    assert read_card(tmp_path) == replace(CARD, sha256="0" * 64)


def test_the_card_carries_a_hash_of_itself_however_its_file_is_laid_out(tmp_path) -> None:
    card = replace(CARD, sha256="0" * 64, temperatures=(1.0, 2.5))
    write_card(tmp_path, card)
    values = json.loads((tmp_path / CARD_FILE).read_text())
    assert read_card(tmp_path) == card
    told = values.pop("card_sha256")
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
    assert told == hashlib.sha256(canonical.encode()).hexdigest()
    (tmp_path / CARD_FILE).write_text(json.dumps({"card_sha256": told} | dict(reversed(values.items()))))
    assert read_card(tmp_path) == card


@pytest.mark.parametrize(
    "change", [{"width": 25}, {"origin": "elsewhere"}, {"card_sha256": "0" * 64}, {"card_sha256": 3}]
)
def test_a_card_that_is_not_as_it_was_written_is_named(tmp_path, change: dict) -> None:
    write_card(tmp_path, replace(CARD, sha256="0" * 64))
    values = json.loads((tmp_path / CARD_FILE).read_text())
    (tmp_path / CARD_FILE).write_text(json.dumps(values | change))
    with pytest.raises(ValueError, match=r"model\.json was damaged or edited: .* delete the line card_sha256"):
        read_card(tmp_path)
