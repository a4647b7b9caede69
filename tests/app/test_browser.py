"""The page in a real browser: a visitor switches sensors off, breaks one, uploads, plays; the console stays silent."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import Tab, browser, find_browser

from robustseg.app import Material
from robustseg.app.page import Page
from robustseg.app.serve import start
from robustseg.robustness import evaluate

PROGRAM = find_browser()
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine (apt install chromium)"),
]

PREDICTION = "document.querySelector('.rs-outputs img')?.src"
FRAME = "document.querySelector('.rs-tiles dd')?.firstChild.textContent"
STATES = "[...document.querySelectorAll('.rs-inputs figcaption span')].map((e) => e.textContent)"
NOTE = "document.querySelector('.rs-note')?.textContent"
TOAST = "document.querySelector('.toast-body')?.textContent"


@pytest.fixture(scope="module")
def served(world_model, tiny_world) -> Iterator[Page]:
    tags = tuple(tiny_world[place].tags for place in range(len(tiny_world)))
    evaluation = replace(evaluate(world_model, tiny_world), split="val")
    page = start(Material("toy/student", world_model, tiny_world, tags, evaluation), port=0)
    yield page
    page.blocks.close(verbose=False)


@pytest.fixture(scope="module")
def opened() -> Iterator[Tab]:
    assert PROGRAM
    with browser(PROGRAM) as tab:
        yield tab


@pytest.fixture
def tab(opened: Tab, served: Page) -> Tab:
    """The page as a new visitor sees it."""
    opened.resize(1400, 1000)
    opened.prefer("light")
    opened.open(served.address)
    until(opened, f"{PREDICTION} !== undefined")
    return opened


def until(tab: Tab, script: str, seconds: float = 40) -> None:
    """Waits until an expression is true."""
    end = time.monotonic() + seconds
    while not tab.eval(f"Boolean({script})"):
        assert time.monotonic() < end, (script, tab.eval("document.body.innerText"))
        time.sleep(0.1)


def attempt(tab: Tab, act: Callable[[], object], script: str) -> None:
    """Acts again as long as an expression is not true: the page may have been drawn anew under the mouse."""
    for _ in range(8):
        act()
        end = time.monotonic() + 5
        while time.monotonic() < end:
            if tab.eval(f"Boolean({script})"):
                return
            time.sleep(0.1)
    raise AssertionError((script, tab.eval("document.body.innerText")))


def pick(tab: Tab, dropdown: str, entry: str) -> None:
    """Chooses an entry of a list."""
    field, entries = (
        f"document.querySelector('{dropdown} input')",
        "[...document.querySelectorAll('ul[role=listbox] li')]",
    )
    found = f"find((e) => e.textContent.trim().endsWith({json.dumps(entry)}))"
    press = "dispatchEvent(new MouseEvent('mousedown', {bubbles: true}))"

    def choose() -> None:
        tab.eval("document.activeElement.blur()")
        tab.click(f"{dropdown} input")
        time.sleep(0.2)
        tab.eval(f"{entries}.{found}?.{press}")

    attempt(tab, choose, f"{field}.value === {json.dumps(entry)}")


def upload(tab: Tab, path: Path, script: str) -> None:
    """Gives a file as the first sensor's image and uses it, which makes an expression true."""
    if not tab.eval("Boolean(document.querySelector('#rs-own input[type=file]'))"):
        tab.click("#rs-own button")
    until(tab, "document.querySelector('#rs-own input[type=file]')")
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    node = tab.call("DOM.querySelector", nodeId=root, selector="#rs-own input[type=file]")["nodeId"]
    tab.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])
    until(tab, f"document.querySelector('#rs-own').textContent.includes({json.dumps(path.suffix)})")
    attempt(tab, lambda: tab.click("#rs-use"), script)


def test_it_loads_from_this_machine_alone_and_fits(tab: Tab, served: Page) -> None:
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not url.startswith((served.address, "blob:"))] == []
    for width in (1400, 1000, 700, 400):
        tab.resize(width, 1000)
        time.sleep(0.3)
        assert tab.eval("document.documentElement.scrollWidth") <= width


def test_sensors_are_switched_off_and_broken(tab: Tab) -> None:
    whole = tab.eval(PREDICTION)
    tab.click("#rs-on label:nth-of-type(1) input")
    until(tab, f"{STATES}[0] === 'switched off' && {PREDICTION} !== {json.dumps(whole)}")
    assert tab.eval("document.querySelectorAll('tr.here').length") == 1
    pick(tab, "#rs-broken", "lidar")
    until(tab, f"{STATES}[3] === 'broken'")
    pick(tab, "#rs-fault", "beam_loss")
    until(tab, "document.querySelector('#rs-fault input').value === 'beam_loss'")
    for number in (2, 3, 4):
        tab.click(f"#rs-on label:nth-of-type({number}) input")
    until(tab, f"{NOTE}?.includes('All sensors are off')")
    assert tab.complaints() == []


def test_frames_play_and_stop(tab: Tab) -> None:
    pick(tab, "#rs-condition", "condition: night")
    until(tab, "document.querySelector('.rs-tiles small').textContent === 'condition night'")
    pick(tab, "#rs-condition", "all frames")
    until(tab, "document.querySelector('.rs-tiles small').textContent !== 'condition night'")
    frame = tab.eval(FRAME)
    tab.click("#rs-next")
    until(tab, f"{FRAME} !== {json.dumps(frame)}")
    tab.click("#rs-play")
    seen = set()
    end = time.monotonic() + 30
    while len(seen) < 4 and time.monotonic() < end:
        seen.add(tab.eval(FRAME))
        time.sleep(0.2)
    assert len(seen) >= 4
    tab.click("#rs-play")
    until(tab, "document.querySelector('#rs-play').textContent.includes('Play')")
    time.sleep(1.5)
    last = tab.eval(FRAME)
    time.sleep(2.5)
    assert tab.eval(FRAME) == last
    assert tab.complaints() == []


def test_a_broken_upload_is_said_and_changes_nothing(tab: Tab, tmp_path: Path) -> None:
    before = tab.eval(FRAME)
    path = tmp_path / "broken.png"
    path.write_bytes(b"no image at all")
    upload(tab, path, TOAST)
    said = tab.eval(TOAST)
    assert "broken.png cannot be read" in said
    assert "/" not in said.replace("PNG, JPEG", "")
    assert tab.eval(FRAME) == before


def test_an_image_of_ones_own_is_answered(tab: Tab, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    upload(tab, path, f"{FRAME} === 'your images'")
    assert tab.eval(STATES) == ["on", "not in this frame", "not in this frame", "not in this frame"]
