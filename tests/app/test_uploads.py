from pathlib import Path

import cv2
import numpy as np
import pytest

from robustseg.app import uploads
from robustseg.app.uploads import read_upload, slots
from robustseg.modalities import Modality

MODALITIES = (
    Modality("rgb", photometric=True),
    Modality("depth", unit="m", scale=0.01),
    Modality("aolp", files={"sin": "sin/{name}.npy", "cos": "cos/{name}.npy"}, channels=("sin", "cos", "sin - cos")),
)
RGB, DEPTH, SIN, COS = slots(MODALITIES)
RNG = np.random.default_rng(0)


def png(path: Path, size: tuple[int, ...]) -> Path:
    cv2.imwrite(str(path), RNG.integers(0, 256, size, dtype=np.uint8))
    return path


def test_images_come_in_their_units(tmp_path) -> None:
    values = RNG.integers(0, 9000, (20, 30), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "d.png"), values)
    for name in ("sin", "cos"):
        np.save(tmp_path / f"{name}.npy", np.full((20, 30), len(name), np.float32))
    sample = read_upload({DEPTH: tmp_path / "d.png", SIN: tmp_path / "sin.npy", COS: tmp_path / "cos.npy"}, MODALITIES)
    assert sample.present.tolist() == [False, True, True]
    np.testing.assert_allclose(sample.images[1, 0].numpy(), values / 100, rtol=1e-6)
    assert sample.images[2, :, 0, 0].tolist() == [3, 3, 0]
    assert bool((sample.labels == 255).all())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: {}, "at least one sensor"),
        (
            lambda folder: {RGB: png(folder / "a.png", (8, 9, 3)), DEPTH: png(folder / "b.png", (9, 9))},
            "rgb 8x9, depth 9x9",
        ),
        (lambda folder: {SIN: folder / "s.npy"}, "give cos, too"),
        (lambda folder: {RGB: png(folder / "a.png", (2049, 2049))}, "more than"),
        (lambda folder: {RGB: folder / "gone.png"}, r"^rgb: gone\.png is kept no more"),
    ],
)
def test_what_is_no_frame_is_said(tmp_path, make, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_upload(make(tmp_path), MODALITIES)


@pytest.mark.parametrize(
    "content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"PK\3\4zip", b"\x93NUMPY\1\0v\0{"]
)
def test_broken_files_are_told_by_their_name_alone(tmp_path, content) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"rgb: .*broken\.png") as caught:
        read_upload({RGB: path}, MODALITIES)
    assert str(tmp_path) not in str(caught.value)


def test_large_files_are_not_opened(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "MOST_BYTES", 2**20)
    path = tmp_path / "large.npy"
    path.write_bytes(bytes(2**20 + 1))
    monkeypatch.setattr(uploads, "read_image", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match=r"large\.npy is larger than 1 MiB"):
        read_upload({RGB: path}, MODALITIES)
