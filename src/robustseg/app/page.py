"""The page: controls beside the view, all of them wired to one visitor's scene."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from markupsafe import Markup

from robustseg.app.fragments import view
from robustseg.app.material import Material
from robustseg.app.scene import Choice, Scene
from robustseg.app.toolkit import gr
from robustseg.app.tour import ALL, chosen_frames, conditions, following
from robustseg.app.uploads import MOST_BYTES, SUFFIXES, read_upload, slots
from robustseg.modalities import sensors
from robustseg.report.charts.svg import element

SECONDS = 1.0
"""Between two frames while they play."""

KEPT = (600, 3600)
"""Seconds: how often uploads are looked through, and how old they become."""

NONE = "none"
STYLE = Path(__file__).with_name("page.css")

QUEUE = {
    "show_progress": "hidden",
    "concurrency_limit": 1,
    "concurrency_id": "scene",
    "api_visibility": "private",
}
"""Of every event: one after the other, and none of them for programs."""


class Page:
    """The page of one model.

    A visitor's `Scene` lives in the session, a copy of the page's own; all else that a visitor has set stands in the
    controls.

    Args:
        material: What is explored.
    """

    def __init__(self, material: Material) -> None:
        self.material = material
        self.sensors = tuple(sensors(material.card.modalities))
        self.slots = slots(material.card.modalities)
        self.address = ""
        """Where it is served; set by `robustseg.app.serve`."""
        self.number = len(material.frames) if material.frames is not None else 0
        with gr.Blocks(
            title="RobustSeg explorer", fill_width=True, analytics_enabled=False, delete_cache=KEPT
        ) as self.blocks:
            self.scene = gr.State(Scene(material))
            gr.HTML(self._head(), padding=False)
            with gr.Row(equal_height=False, elem_id="rs-page"):
                with gr.Column(scale=0, min_width=300, elem_id="rs-controls"):
                    self._frame_controls()
                    self._sensor_controls()
                    self._fault_controls()
                    self._upload_controls()
                with gr.Column(scale=1, min_width=500):
                    self.view = gr.HTML(elem_id="rs-shown", padding=False)
            self._wire()

    def _head(self) -> Markup:
        card = self.material.card
        about = f"{self.material.name}: {card.backbone}, {len(card.classes)} classes, {', '.join(self.sensors)}"
        return element("header", element("b", "RobustSeg explorer"), element("span", about), class_="rs-head")

    def _frame_controls(self) -> None:
        with gr.Group(visible=self.number > 0, elem_classes="rs-group"):
            choices = list(conditions(self.material.tags))
            self.condition = gr.Dropdown(
                choices, value=ALL, label="Frames", visible=len(choices) > 1, elem_id="rs-condition"
            )
            self.position = gr.Slider(
                1,
                max(2, self.number),
                value=1,
                step=1,
                label="Frame",
                buttons=[],
                visible=self.number > 1,
                elem_id="rs-frame",
            )
            with gr.Row(elem_id="rs-steps"):
                self.back = gr.Button("‹ Back", size="sm", min_width=60, elem_id="rs-back")
                self.play = gr.Button("▶ Play", size="sm", min_width=60, elem_id="rs-play")
                self.next = gr.Button("Next ›", size="sm", min_width=60, elem_id="rs-next")
            recorded = self.material.frames is not None and any(self.material.frames.sequences)
            self.within = gr.Checkbox(False, label="Stay in this recording", visible=recorded)
        self.playing = gr.State(False)
        self.timer = gr.Timer(SECONDS, active=False)

    def _sensor_controls(self) -> None:
        with gr.Group(elem_classes="rs-group"):
            self.on = gr.CheckboxGroup(
                list(self.sensors), value=list(self.sensors), label="Sensors that are on", elem_id="rs-on"
            )
            self.worth = gr.Dropdown([NONE, *self.sensors], value=NONE, label="Show the worth of")

    def _fault_controls(self) -> None:
        with gr.Group(elem_classes="rs-group"):
            self.broken = gr.Dropdown([NONE, *self.sensors], value=NONE, label="Break a sensor", elem_id="rs-broken")
            self.fault = gr.Dropdown([NONE], value=NONE, label="Fault", interactive=True, elem_id="rs-fault")
            self.severity = gr.Slider(0, 5, value=3, step=1, label="Severity", buttons=[], elem_id="rs-severity")

    def _upload_controls(self) -> None:
        with gr.Accordion("Your own images", open=self.number == 0, elem_id="rs-own"):
            gr.Markdown(
                f"PNG, JPEG, TIFF, NPY or NPZ, at most {MOST_BYTES // 2**20} MiB, of one size, registered, "
                "stored as the training data were."
            )
            self.files = [
                gr.File(label=slot.label, file_types=list(SUFFIXES), height=90, elem_classes="rs-file")
                for slot in self.slots
            ]
            with gr.Row():
                self.use = gr.Button("Use them", variant="primary", size="sm", min_width=60, elem_id="rs-use")
                self.leave = gr.Button("Back to the data", size="sm", min_width=60, visible=self.number > 0)

    def _wire(self) -> None:
        settings = [self.condition, self.position, self.on, self.worth, self.broken, self.fault, self.severity]
        seen, walked = [self.scene, *settings], [self.within, self.scene, *settings]
        shown = {"fn": self._look, "inputs": seen, "outputs": self.view, **QUEUE}
        self.blocks.load(**shown)
        changed = [self.position, self.on, self.worth, self.fault, self.severity]
        gr.on([control.input for control in changed], trigger_mode="always_last", **shown)
        self.condition.input(self._filter, seen, [self.position, self.view], **QUEUE)
        self.broken.input(self._break, seen, [self.fault, self.view], **QUEUE)
        for event, step in ((self.back.click, -1), (self.next.click, 1), (self.timer.tick, 1)):
            event(partial(self._walk, step), walked, [self.position, self.view], trigger_mode="once", **QUEUE)
        self.play.click(self._toggle, self.playing, [self.playing, self.timer, self.play], **QUEUE)
        self.use.click(self._use, [self.scene, *self.files], None, **QUEUE).success(**shown)
        self.leave.click(self._leave, self.scene, None, **QUEUE).success(**shown)

    def _look(self, scene: Scene, *settings: Any) -> str:
        """The view; what cannot be shown is said in its place, so that a bad frame does not end a walk."""
        if scene.own is None and not self.number:
            return str(element("p", "Give images of your own, at the left, then press Use them.", class_="rs-note"))
        choice = self._choice(*settings)
        try:
            return str(view(scene.look(choice), choice, self.material))
        except (ValueError, OSError) as error:
            return str(element("p", str(error), class_="rs-note", role="alert"))

    def _choice(
        self,
        condition: str,
        position: float,
        on: list[str],
        worth: str,
        broken: str,
        fault: str,
        severity: float,
    ) -> Choice:
        walked = self._frames(condition) or (0,)
        return Choice(
            frame=walked[min(max(int(position), 1), len(walked)) - 1],
            on=tuple(on),
            broken="" if broken == NONE else broken,
            fault="" if fault == NONE or broken == NONE else fault,
            severity=int(severity),
            worth="" if worth == NONE else worth,
        )

    def _frames(self, condition: str) -> tuple[int, ...]:
        return chosen_frames(self.number, self.material.tags, condition)

    def _filter(self, scene: Scene, condition: str, position: float, *settings: Any) -> tuple[Any, str]:
        """The first of the frames that meet a condition."""
        number = len(self._frames(condition))
        slider = gr.Slider(maximum=max(2, number), value=1, visible=number > 1)
        return slider, self._look(scene, condition, 1, *settings)

    def _break(self, scene: Scene, *settings: Any) -> tuple[Any, str]:
        """A sensor's first fault."""
        choice = self._choice(*settings)
        known = scene.faults(choice.broken, choice.frame)
        fault = known[0] if known else NONE
        return gr.Dropdown([NONE, *known], value=fault), self._look(scene, *settings[:-2], fault, settings[-1])

    def _walk(
        self, step: int, within: bool, scene: Scene, condition: str, position: float, *settings: Any
    ) -> tuple[int, str]:
        """So many frames on."""
        assert self.material.frames is not None  # the buttons are hidden
        walked, sequences = self._frames(condition), self.material.frames.sequences
        here = min(max(int(position), 1), len(walked)) - 1
        there = 1 + following(here, walked, sequences, within=within, step=step)
        return there, self._look(scene, condition, there, *settings)

    def _toggle(self, playing: bool) -> tuple[bool, Any, Any]:
        return not playing, gr.Timer(active=not playing), gr.Button("▶ Play" if playing else "❚❚ Stop")

    def _use(self, scene: Scene, *files: str | None) -> None:
        given = {slot: Path(name) for slot, name in zip(self.slots, files, strict=True) if name}
        try:
            scene.show(read_upload(given, self.material.card.modalities))
        except (ValueError, OSError) as error:
            raise gr.Error(str(error), print_exception=False) from None

    def _leave(self, scene: Scene) -> None:
        scene.show(None)
