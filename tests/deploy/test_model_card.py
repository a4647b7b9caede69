from dataclasses import replace

import pytest
import yaml

from robustseg.deploy.model_card import model_page, untested
from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.models.hub import HubName
from robustseg.robustness.cases import PROTOCOLS


@pytest.fixture
def page(toy_model, made):
    def make(study=None, health=(), **changes) -> str:
        card = replace(toy_model.card, version="1.2", **changes)
        study = {"emm": made()} if study is None else study
        return model_page(HubName("org/toy", "v1"), card, study, health, license="cc-by-4.0", data="frames of a toy")

    return make


def test_the_page_tells_what_a_user_needs(page, made) -> None:
    text = page(temperatures=(1.5, 1.25, 1.0), calibrated_on="0.1 of train", benchmark="deliver")
    about = yaml.safe_load(text.split("---")[1])
    assert about["license"] == "cc-by-4.0"
    assert about["library_name"] == "robustseg"
    assert {"deliver", "rgb", "depth", "lidar", "missing-modality"} <= set(about["tags"])
    for said in (
        'rs.load("hf://org/toy@v1")',
        "| depth | depth | m | 1 | 0 | as stored | 20, 20, 20 | 10, 10, 10 | 0 |",
        "0 road, 1 car, 2 tree, 3 unicorn.",
        "Data: frames of a toy",
        "Initial weights: random initialisation.",
        "1.500 with 1, 1.250 with 2, 1.000 with 3. Fitted on 0.1 of train.",
        "on one split, val, of 6 frames",
    ):
        assert said in text
    for name, score in zip(made().names, made().miou().tolist(), strict=True):
        assert f"| {name} | {score:.2f} |" in text


def test_what_was_not_tested_is_told(page, toy_model, made) -> None:
    lines = "\n".join(untested(toy_model.card, {"emm": made(note="selected on val")}))
    assert "selected on val" in lines
    assert "not calibrated" in lines
    for protocol in PROTOCOLS[1:]:
        assert protocol in lines
    assert "never evaluated" in page(study={})
    everything = {protocol: made(protocol=protocol) for protocol in PROTOCOLS}
    assert "Not tried" not in page(study=everything)
    few = made()
    few = replace(few, counts=few.counts[:, :5], scored=few.scored[:, :5], subsets=few.subsets[:5])
    assert "2 of the 7 possible sets" in page(study={"emm": few})


def test_whether_broken_sensors_are_noticed_is_told(page) -> None:
    assert "The model cannot tell a broken sensor" in page()
    text = page(health=("rgb", "depth"))
    assert "how healthy images of rgb, depth look" in text
    assert 'Monitor.of("hf://org/toy@v1")' in text


def test_names_are_no_markup(page) -> None:
    text = page(
        classes=(LabelClass("a|b <script>", (0, 0, 0)),),
        modalities=(Modality("rgb", sensor="x: [y]", unit="|", mean=(0.0,) * 3, std=(1.0,) * 3),),
        origin="[here](http://x)",
    )
    assert r"a\|b \<script\>" in text
    assert r"\[here\](http://x)" in text
    assert yaml.safe_load(text.split("---")[1])["tags"][-1] == "x: [y]"
