"""The page in a real browser: buttons change the picture, the console is silent, nothing is fetched."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Tab, browser, find_browser

from robustseg.report.page.write import build_page

PROGRAM = find_browser()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium on this machine (apt install chromium)")

SHOWN = "document.querySelector('[data-model=student] .top').src"
STATUS = "document.querySelector('.status').textContent"


@pytest.fixture(scope="module")
def page(toy_runs, toy_seen, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(build_page(toy_runs, toy_seen).html, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened() -> Iterator[Tab]:
    assert PROGRAM
    with browser(PROGRAM) as tab:
        yield tab


@pytest.fixture
def tab(opened: Tab, page: Path) -> Tab:
    """The page as a reader first sees it; what it complains about fails the test that made it."""
    opened.resize(1280, 900)
    opened.prefer("light")
    opened.open(page)
    opened.eval("document.getElementById('frames').scrollIntoView({behavior: 'instant'})")
    return opened


def pictures(tab: Tab) -> list[str]:
    """What the student's picture shows, as pixels on the screen."""
    box = tab.eval(
        "(async () => { await Promise.all([...document.images].map((i) => i.decode().catch(() => {})));"
        "const b = document.querySelector('[data-model=student]').getBoundingClientRect();"
        "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
    )
    clip = dict(zip(("x", "y", "width", "height"), box, strict=True)) | {"scale": 1}
    found = tab.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
    return [hashlib.sha256(found["data"].encode()).hexdigest()]


def quiet(tab: Tab, page: Path) -> None:
    assert tab.complaints() == []
    assert tab.requests() == [page.resolve().as_uri()]


def test_buttons_change_the_picture(tab: Tab, page: Path) -> None:
    before, pixels = tab.eval(SHOWN), pictures(tab)
    assert before.startswith("data:image/png")
    tab.click(".sensors [data-sensor='0']")
    assert tab.eval("document.querySelector('.sensors button').getAttribute('aria-pressed')") == "false"
    assert tab.eval(SHOWN) != before
    assert pictures(tab) != pixels
    assert tab.eval(STATUS).startswith("Without rgb: student ")
    tab.click(".sensors [data-sensor='0']")
    assert (tab.eval(SHOWN), pictures(tab)) == (before, pixels)
    quiet(tab, page)


def test_nothing_left_is_said(tab: Tab, page: Path) -> None:
    for sensor in range(3):
        tab.click(f".sensors [data-sensor='{sensor}']")
    said = "[...document.querySelectorAll('.nothing:not([hidden])')].map((e) => e.textContent)"
    assert tab.eval(said) == ["no sensor left"] * 2
    assert tab.eval(STATUS) == "No sensor left: there is nothing to predict from."
    assert tab.eval("document.querySelector('[data-model=student] .top').checkVisibility()") is False
    quiet(tab, page)


def test_keys_do_what_buttons_do(tab: Tab, page: Path) -> None:
    before = tab.eval(SHOWN)
    tab.press("3")
    assert tab.eval(STATUS).startswith("Without lidar")
    tab.press("0")
    assert tab.eval(SHOWN) == before
    current = "[...document.querySelectorAll('.strip button')].findIndex((e) => e.ariaCurrent === 'true')"
    frames = tab.eval("document.querySelectorAll('.strip button').length")
    assert tab.eval(current) == 0
    tab.press("ArrowRight")
    assert tab.eval(current) == 1
    tab.press("ArrowLeft")
    tab.press("ArrowLeft")
    assert tab.eval(current) == frames - 1
    quiet(tab, page)


def test_views_differ_and_errors_are_drawn(tab: Tab, page: Path) -> None:
    seen = {name: pictures(tab)[0] for name in ("overlay",)}
    for name in ("labels", "errors"):
        tab.press("m")
        tab.eval("new Promise((done) => setTimeout(done, 100))")
        seen[name] = pictures(tab)[0]
    assert len(set(seen.values())) == 3
    canvas = "document.querySelector('[data-model=student] canvas')"
    assert tab.eval(f"[{canvas}.width, {canvas}.height]") == [48, 32]
    pixels = tab.eval(f"[...{canvas}.getContext('2d').getImageData(0, 0, 48, 32).data]")
    wrong = sum(red == 240 for red in pixels[::4])
    assert 0 < wrong < 48 * 32
    quiet(tab, page)


def test_the_story_of_a_frame_is_a_button(tab: Tab, page: Path) -> None:
    sensor = tab.eval("document.querySelector('.story button').textContent").removeprefix("Without ")
    tab.click(".story button")
    assert tab.eval(STATUS).startswith(f"Without {sensor}:")
    quiet(tab, page)


def test_dark_mode_follows_the_system_and_the_button(tab: Tab, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.eval(ground)
    tab.click("#theme")
    dark = tab.eval(ground)
    assert dark != light
    assert tab.eval("document.getElementById('theme').ariaPressed") == "true"
    tab.click("#theme")
    assert tab.eval(ground) == light
    tab.open(page)
    tab.prefer("dark")
    assert tab.eval(ground) == dark
    quiet(tab, page)


def test_the_order_of_rows_is_a_choice(tab: Tab, page: Path) -> None:
    views = "[...document.querySelectorAll('#subsets .view')].map((e) => e.checkVisibility())"
    assert tab.eval(views) == [True, False]
    tab.click("#subsets .switch button:last-child")
    assert tab.eval(views) == [False, True]
    quiet(tab, page)


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_sticks_out(tab: Tab, page: Path, width: int) -> None:
    tab.resize(width, 800)
    tab.open(page)
    assert tab.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    quiet(tab, page)


def test_the_table_of_calibration_needs_no_scrolling(tab: Tab, page: Path) -> None:
    box = "document.querySelector('#confidence .beside .scroll:has(table)')"
    assert tab.eval(f"{box}.scrollWidth <= {box}.clientWidth")
    quiet(tab, page)


def test_everything_can_be_reached_and_has_a_name(tab: Tab) -> None:
    tree = tab.call("Accessibility.getFullAXTree")["nodes"]
    active = [node for node in tree if node.get("role", {}).get("value") in ("button", "link", "image")]
    nameless = [node for node in active if not node.get("name", {}).get("value") and not node.get("ignored")]
    assert len(active) > 20
    assert not nameless


def test_it_prints(tab: Tab, page: Path) -> None:
    assert tab.pdf().startswith(b"%PDF")
    tab.call("Emulation.setEmulatedMedia", media="print")
    assert tab.eval("document.querySelector('.contents').checkVisibility()") is False
    assert tab.eval("document.querySelector('#subsets rect.bar').checkVisibility()") is True
    tab.call("Emulation.setEmulatedMedia", media="")
    quiet(tab, page)
