"""The page of faults says what the code does, and its picture shows all of them."""

import runpy
from pathlib import Path

import numpy as np
from PIL import Image

from robustseg.data.world.dataset import MODALITIES
from robustseg.failures import FAULTS, applies

ROOT = Path(__file__).parents[1]
GALLERY = runpy.run_path(str(ROOT / "benchmarks" / "fault_gallery.py"))


def test_the_page_is_the_one_the_script_writes() -> None:
    written = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    assert written == GALLERY["page"](), "run `python benchmarks/fault_gallery.py`"
    for name, fault in FAULTS.items():
        (row,) = [line for line in written.splitlines() if line.startswith(f"| `{name}` |")]
        assert row.endswith(" | ".join(f"{value:g}" for value in fault.values) + " |")


def test_every_fault_has_its_picture() -> None:
    sensors = {modality.name: modality for modality in MODALITIES}
    assert {fault for fault, _ in GALLERY["PANELS"]} == set(FAULTS)
    assert all(applies(fault, sensors[sensor]) for fault, sensor in GALLERY["PANELS"])
    with Image.open(ROOT / "docs" / "faults.png") as picture:
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50


def test_what_is_shown_is_broken() -> None:
    world = GALLERY["the_world"]()
    for fault, sensor in GALLERY["PANELS"][:8:3]:
        well, ill = (GALLERY["picture"](shot, sensor) for shot in (world.now, world.broken(fault, sensor, 5)))
        assert well.shape == ill.shape
        assert not np.array_equal(well, ill)
