import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from robustseg.app import Choice, Material, Scene
from robustseg.app.fragments import view
from robustseg.app.pictures import heat, inputs, outputs, signed
from robustseg.labels import LabelClass, colorize

ALL = ("rgb", "depth", "event", "lidar")
NASTY = "<script>alert(1)</script>"


def shown(material: Material, choice: Choice) -> str:
    return str(view(Scene(material).look(choice), choice, material))


class Balanced(HTMLParser):
    """Fails where an element is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    "choice",
    [
        Choice(0, ALL),
        Choice(0, ()),
        Choice(1, ("rgb",), "rgb", "noise", 5, "lidar"),
        Choice(2, ("lidar",), worth="rgb"),
    ],
)
def test_every_look_has_a_view(material, choice) -> None:
    page = shown(material, choice)
    parser = Balanced()
    parser.feed(page)
    assert {*parser.open} <= {"img"}
    for entry in material.card.classes:
        assert f"{entry.name}</th>" in page
    assert "http" not in page


def test_names_are_escaped(material, made) -> None:
    classes = (LabelClass(NASTY, (1, 2, 3)), *material.card.classes[1:])
    model = material.model
    before, model.card = model.card, replace(material.card, classes=classes)
    try:
        page = shown(material, Choice(0, ALL))
    finally:
        model.card = before
    assert NASTY not in page
    assert "&lt;script&gt;" in page


def test_the_subset_that_is_looked_at_is_marked(world_model, tiny_world, made) -> None:
    evaluation = made(modalities=ALL)
    material = Material("toy", world_model, tiny_world, evaluation=evaluation)
    page = shown(material, Choice(0, ("depth", "lidar")))
    rows = re.findall(r'<tr class="here".*?</tr>', page)
    row = evaluation.names.index("depth+lidar")
    assert len(rows) == 1
    assert f"{evaluation.miou()[row]:.1f}</td>" in rows[0]
    assert re.findall(r'title="(on|off)"', rows[0]) == ["off", "on", "off", "on"]
    assert page.count('<td class="bar">') == 15 + len(world_model.card.classes)
    assert 'class="here"' not in shown(material, Choice(0, ()))


def test_pictures_are_what_they_say(material) -> None:
    look = Scene(material).look(Choice(3, ("depth", "event"), "depth", "noise", 5, "depth"))
    pictures = {picture.title: picture for picture in outputs(look, material.card, "depth")}
    assert list(pictures) == ["Prediction", "Labels", "Confidence", "Changed", "Worth of depth"]
    changed, picture = look.changed, pictures["Changed"].pixels
    paint = colorize(look.prediction.labels, material.card.classes)
    np.testing.assert_array_equal(picture[changed], paint[changed])
    states = [picture.state for picture in inputs(look, material.card.modalities, "depth")]
    assert states == ["off", "broken", "", "off"]


def test_what_the_monitor_thinks_is_said(world_model, tiny_world, unlike) -> None:
    material = Material("toy", world_model, tiny_world, profiles={"event": unlike})
    choice = Choice(1, ("rgb", "depth", "event"), "rgb", "frozen_frame", 5)
    thoughts = [picture.about for picture in inputs(Scene(material).look(choice), tiny_world.modalities, "rgb")]
    assert thoughts[0].startswith("sick: frozen for ")
    assert thoughts[1:] == ["well", "doubtful: odd", "switched off"]


def test_colors_of_values() -> None:
    ramp = heat(np.linspace(0, 1, 5, dtype=np.float32)[None])[0].astype(int)
    assert (np.diff(ramp.sum(axis=1)) > 0).all()
    scene = np.full((1, 3, 3), 100, np.uint8)
    helps, neither, misleads = signed(np.array([[0.5, 0, -0.5]], np.float32), scene)[0].astype(int)
    assert helps[2] > helps[0]
    assert misleads[0] > misleads[2]
    assert neither[0] == neither[1] == neither[2]


def test_pictures_are_sent_small(material) -> None:
    page = shown(material, Choice(0, ALL))
    first = re.search(r"data:image/jpeg;base64,([^\"]+)", page)
    assert Image.open(io.BytesIO(base64.b64decode(first[1]))).size == (48, 32)
    assert len(page) < 60_000
