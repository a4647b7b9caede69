from dataclasses import replace

import pytest

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.card import ModelCard
from robustseg.recipe import Data, Scoring
from robustseg.report.beside import RunFacts, beside, letters_of, marks, run_facts, subset_scores
from robustseg.report.published import published_rows
from robustseg.robustness.views import views_note

SAME = RunFacts("deliver", "mit_b0", "val", "RDEL", "removed", "1024x1024", "published", "reported", pretrained=True)
SENSORS = ("rgb", "depth", "event", "lidar")


def row(method: str = "AnySeg", **wanted: str):
    found = [entry for entry in published_rows() if entry.method == method and entry.dataset == "deliver"]
    return next(entry for entry in found if all(getattr(entry, key) == value for key, value in wanted.items()))


def card(origin: str = "mit_b0.pth: NVIDIA") -> ModelCard:
    modalities = tuple(Modality(name) for name in SENSORS)
    return ModelCard("mit_b0", 768, (LabelClass("a", (0, 0, 0)),), modalities, "remove", (1024, 1024), origin)


def test_like_things_have_no_mark():
    assert marks(row(regime="removed"), SAME) == ()


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"backbone": "mit_b2"}, "backbone mit_b0"),
        ({"split": "test"}, "val split"),
        ({"sensors": "RD"}, "sensors RDEL"),
        ({"regime": "zero-fill"}, "missing removed"),
        ({"conventions": "strict"}, "published conventions"),
        ({"conventions": "partly published"}, "published conventions"),
        ({"labels": "512x512"}, "labels 1024x1024"),
        ({"chosen_on": "other"}, "checkpoint chosen on the split"),
        ({"pretrained": False}, "ImageNet weights"),
        ({"views": True}, "one view of a frame"),
    ],
)
def test_each_difference_is_marked(change: dict[str, object], mark: str):
    assert marks(row(regime="removed"), replace(SAME, **change)) == (mark,)


def test_rows_differ_in_their_own_ways():
    assert marks(row("CMNeXt", regime="one model per set"), SAME) == ("backbone mit_b2", "one model per set")
    assert marks(row("MAGIC++", regime="zero-fill"), SAME) == ("backbone mit_b2", "missing filled with zeros")
    test = marks(row("CAFuser", split="test"), SAME)
    assert test == ("backbone swin_t", "test split", "unknown conventions", "choice of checkpoint unknown")
    # that nothing is missing is no difference of regimes
    assert marks(row("MAGIC", regime="full only"), replace(SAME, regime="zero-fill")) == ("backbone mit_b2",)


def test_the_likest_rows_come_first_and_benchmarks_are_apart():
    found = beside(SAME)
    numbers = [len(entry.marks) for entry in found]
    assert numbers == sorted(numbers)
    assert found[0].row.method == "RobustSeg"
    assert {entry.row.dataset for entry in found} == {"deliver"}
    assert len(found) == sum(entry.dataset == "deliver" for entry in published_rows())


def test_facts_come_from_recipe_card_and_evaluation(made):
    found = made(SENSORS, note="selected on this very split (val), as published numbers are")
    data = Data(kind="deliver", resize=(1024, 1024), conventions="published")
    assert run_facts(found, data, card()) == SAME
    strict = run_facts(replace(found, note=""), replace(data, conventions="strict"), card("random initialisation"))
    assert strict == replace(SAME, labels="stored", conventions="strict", chosen_on="other", pretrained=False)
    partly = run_facts(found, Data(kind="deliver", resize=(512, 512), habits=("resized_labels",)), card())
    assert partly == replace(SAME, labels="512x512", conventions="partly published")
    assert run_facts(replace(found, absence="zero"), data, card()).regime == "zero-fill"
    assert run_facts(replace(found, protocol="emm_zero"), data, card()).regime == "zero-fill"
    several = replace(found, note=f"{found.note}; {views_note(Scoring(flip=True))}")
    assert run_facts(several, data, card()) == replace(SAME, views=True)
    assert run_facts(found, Data(), card()) is None


def test_the_list_that_is_called_val_is_the_test_list(made):
    found = made(("nir", "rgb"))
    assert run_facts(found, Data(kind="mcubes"), card()).split == "val"
    habit = run_facts(found, Data(kind="mcubes", conventions="published"), card())
    assert (habit.split, habit.labels, habit.sensors) == ("test", "1024x1024", "RN")


def test_modalities_have_the_fields_letters(made):
    assert letters_of("muses", ("lidar", "camera", "radar")) == ("L", "F", "R")
    with pytest.raises(ValueError, match="'sonar' is none of deliver's modalities, which are rgb, depth"):
        letters_of("deliver", ("rgb", "sonar"))
    found = made(("lidar", "rgb", "depth"))
    scores = subset_scores("deliver", found)
    assert list(scores) == ["R", "D", "L", "RD", "RL", "DL", "RDL"]
    own = dict(zip(found.names, found.miou().tolist(), strict=True))
    assert scores["RL"] == own["lidar+rgb"]
