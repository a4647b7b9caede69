import json

import numpy as np
import pytest

from robustseg.labels import LabelClass
from robustseg.modalities import Modality
from robustseg.report.frames.choice import Choice
from robustseg.report.frames.packing import pack, pack_frame
from robustseg.report.frames.seen import Seen, states

CLASSES = tuple(LabelClass(f"class {place}", (place, 0, 0)) for place in range(20))
MODALITIES = (Modality("lidar"), Modality("rgb", photometric=True), Modality("radar"))


def seen(name: str, width: int = 512, noisy: bool = True, wide: int = 512) -> Seen:
    generator = np.random.default_rng(0)
    size = (width // 8, width)
    maps = {word: generator.integers(0, 20 if noisy else 1, size, dtype=np.uint8) for word in states(MODALITIES)}
    picture = generator.integers(0, 255, (*size, 3), dtype=np.uint8)
    return Seen(
        choice=Choice(0, "rgb", 12.345),
        name=name,
        tags={"weather": "fog"},
        width=wide,
        inputs=(picture, picture, None),
        truth=maps["111"],
        maps={"teacher": maps, "student": maps},
        scores={"teacher": {"111": 50.0}, "student": dict.fromkeys(maps, 10.0)},
    )


def test_every_image_is_stored_once() -> None:
    frame = pack_frame(seen("a"), MODALITIES, CLASSES, 512)
    assert len(frame["images"]) == 1 + 7  # the two inputs are one picture, the models agree, truth is one of the maps
    assert frame["inputs"] == [[0], [0], [None]]
    assert frame["truth"] == frame["models"]["student"]["111"][0]
    assert frame["models"]["teacher"]["100"][1] is None
    assert frame["backdrops"] == [[0, 1], [0, 0]]  # the camera comes first
    assert (frame["loss"], frame["size"]) == (12.3, [512, 64])


def test_small_data_keep_their_size() -> None:
    packed = pack([seen("a", width=64, noisy=False, wide=64)] * 12, MODALITIES, CLASSES, limit=8_000_000)
    assert len(packed.data["frames"]) == 12
    assert packed.remark == ""
    assert packed.data["models"] == ["teacher", "student"]
    assert packed.data["sensors"] == ["lidar", "rgb", "radar"]


@pytest.mark.parametrize(("limit", "frames"), [(9_000_000, 3), (700_000, 3), (60_000, 1), (1000, 0)])
def test_what_is_too_large_becomes_narrower_then_less_and_is_told(limit: int, frames: int) -> None:
    packed = pack([seen(name, wide=1024) for name in "abc"], MODALITIES, CLASSES, limit=limit)
    assert len(packed.data["frames"]) == frames
    assert len(json.dumps(packed.data["frames"])) <= max(limit, 2)
    assert "the model saw 1024" in packed.remark
    assert ("left out to keep this file small" in packed.remark) == (frames < 3)
