import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
from synthetic import evaluation

from robustseg.report.page.write import build_page, data_folder, write_report
from robustseg.report.runs import Runs


class Elements(HTMLParser):
    """Names and attributes of all elements, and the text of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "h1": [], "title": []}
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._open = tag if tag in self.inside else ""
        if self._open:
            self.inside[tag].append("")

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open:
            self.inside[self._open][-1] += data


def test_names_are_text_wherever_they_stand(toy_runs, toy_seen) -> None:
    page = Elements(build_page(toy_runs, toy_seen).html)
    assert [name for name, _ in page.found].count("script") == 2  # the frames' data, and the page's own
    assert not [attributes for _, attributes in page.found if any(key.startswith("on") for key in attributes)]
    data = json.loads(page.inside["script"][0])
    assert data["frames"][0]["name"].endswith('class="y">&')
    told = "".join(text for text in page.inside["title"] + page.inside["h1"])
    assert "<script" not in told


def test_nothing_is_fetched(toy_runs, toy_seen) -> None:
    html = build_page(toy_runs, toy_seen).html
    page = Elements(html)
    places = [
        value or "" for _, a in page.found for key, value in a.items() if key in ("src", "href", "action", "data")
    ]
    assert all(place.startswith("#") for place in places)
    assert "url(" not in html
    assert "@import" not in html
    assert "http:" not in html.replace(json.dumps(html), "")
    assert "https:" not in html


def test_the_policy_allows_this_script_and_style_alone(toy_runs) -> None:
    page = Elements(build_page(toy_runs, "none").html)
    policy = next(a["content"] or "" for name, a in page.found if a.get("http-equiv"))
    for kind, text in (("script", page.inside["script"][-1]), ("style", page.inside["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not [a for _, a in page.found if "style" in a]


def test_every_section_has_a_heading_and_an_anchor(toy_runs, toy_seen) -> None:
    built = build_page(toy_runs, toy_seen)
    page = Elements(built.html)
    ids = [a["id"] for _, a in page.found if "id" in a]
    assert len(set(ids)) == len(ids)
    links = [(a["href"] or "")[1:] for name, a in page.found if name == "a"]
    assert links == ["main", *(section.key for section in built.sections)]
    assert set(links) <= set(ids)
    assert {a["aria-labelledby"] for name, a in page.found if name == "section"} <= set(ids)
    images = [a for name, a in page.found if name == "svg"]
    assert all(a.get("aria-label") if a.get("role") == "img" else a.get("aria-hidden") for a in images)


def test_large_frames_are_cut_down_and_the_page_says_so(toy_runs, toy_seen, monkeypatch) -> None:
    monkeypatch.setattr("robustseg.report.page.write.LARGEST", 600_000)
    monkeypatch.setattr("robustseg.report.page.write.MARGIN", 20_000)
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 4, (96, 512), dtype=np.uint8)
    maps = {word: np.roll(noise, place, axis=1) for place, word in enumerate(toy_seen[0].maps["student"])}
    large = replace(toy_seen[0], maps={"teacher": maps, "student": maps}, truth=noise, width=1024)
    html = build_page(toy_runs, [large] * 20).html
    assert 200_000 < len(html.encode()) < 600_000
    assert "frames were left out to keep this file small" in html
    assert "the model saw 1024" in html


def test_six_sensors_and_many_classes_fit(toy_runs) -> None:
    names = tuple(f"sensor{place}" for place in range(6))
    found = evaluation(modalities=names, classes=tuple(f"class {place}" for place in range(40)), frames=30)
    models = tuple(replace(model, study={"emm": found}) for model in toy_runs.models)
    page = build_page(Runs(models, "val"), "no data")
    assert len(page.html.encode()) < 1_500_000
    assert "Frames were" not in page.html


def test_sections_without_anything_say_why(toy_runs) -> None:
    found = replace(evaluation(modalities=("rgb",), confident=False), tags=({},) * 12)
    model = replace(toy_runs.subject, study={"emm": found}, recipe=None)
    html = build_page(Runs((model,), "val"), "The frames could not be shown: there is no folder <x>").html
    for said in (
        "could not be shown: there is no folder &lt;x&gt;",
        "The data name no condition",
        "Faults were not evaluated",
        "did not count pixels by confidence",
        "nothing to fall back on",
    ):
        assert said in html


def test_tables_lie_beside_the_page_in_four_forms(toy_runs, toy_seen, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("robustseg.report.page.write.open_runs", lambda *_: toy_runs)
    out = tmp_path / "deep" / "mine.html"
    page = write_report([tmp_path], out, frames=0)
    assert out.read_text() == page.html
    names = {path.name for path in data_folder(out).iterdir()}
    for table in ("facts", "subsets", "comparison", "classes", "conditions", "worth", "gains", "faults", "calibration"):
        assert {f"{table}{ending}" for ending in (".csv", ".json", ".md", ".tex")} <= names
    assert data_folder(out).name == "mine_data"
    assert "Left out on request" in page.html


def test_the_page_reads_without_script(toy_runs, toy_seen) -> None:
    text = re.sub(r"<script.*?</script>", "", build_page(toy_runs, toy_seen).html, flags=re.DOTALL)
    assert "The buttons need JavaScript" in text
    assert text.count("<svg") > 5
