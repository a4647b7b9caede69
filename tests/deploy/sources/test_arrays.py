import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from robustseg.data.reading import MAX_PIXELS
from robustseg.deploy.sources.arrays import ArrayFiles
from robustseg.modalities import Modality

MODALITIES = (Modality("rgb", photometric=True), Modality("depth", unit="m", scale=0.5, offset=1.0))


def saved(path: Path, **arrays: np.ndarray) -> ArrayFiles:
    np.savez_compressed(path, **arrays)
    return ArrayFiles({path.stem: path}, MODALITIES, resize=False)


def test_one_frame_a_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rgb, depth = random.integers(0, 256, (4, 6, 3), np.uint8), random.random((4, 6))
    (frame,) = saved(tmp_path / "a.npz", rgb=rgb, depth=depth)
    assert frame.name == "a"
    np.testing.assert_array_equal(frame.images["rgb"], rgb)
    np.testing.assert_allclose(frame.images["depth"], np.repeat(0.5 * depth[..., None] + 1, 3, 2), rtol=1e-6)


def test_many_frames_a_file(tmp_path: Path) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (5, 4, 6, 3), np.uint8)
    depth = np.arange(5 * 4 * 6, dtype=">u2").reshape(5, 4, 6)
    source = saved(tmp_path / "run.npz", rgb=rgb, depth=depth)
    assert source.length == 5
    for number, frame in enumerate(source):
        assert frame.name == f"run/{number:06d}"
        np.testing.assert_array_equal(frame.images["rgb"], rgb[number])
        np.testing.assert_array_equal(frame.images["depth"][..., 0], 0.5 * depth[number] + 1)


def test_a_long_file_is_read_frame_by_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = saved(tmp_path / "long.npz", rgb=np.zeros((400, 8, 10, 3), np.uint8))
    largest, read = 0, zipfile.ZipExtFile.read

    def watched(self: zipfile.ZipExtFile, n: int | None = -1) -> bytes:
        nonlocal largest
        data = read(self, n)
        largest = max(largest, len(data))
        return data

    monkeypatch.setattr(zipfile.ZipExtFile, "read", watched)
    assert sum(1 for _ in source) == 400
    assert largest <= 8 * 10 * 3


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"sonar": np.zeros((4, 6))}, "no input 'sonar'"),
        ({"rgb": np.zeros((2, 4, 6, 3)), "depth": np.zeros((3, 4, 6, 1))}, "number of frames: rgb 2, depth 3"),
        ({"rgb": np.zeros(7)}, "is no image"),
        ({"rgb": np.zeros((0, 6))}, "is no image"),
        ({"rgb": np.array([["a"]])}, "is no image"),
        ({"rgb": np.asfortranarray(np.zeros((4, 6)))}, "np.ascontiguousarray"),
        ({"rgb": np.full((4, 6), np.nan)}, "24 values are not finite"),
        ({"rgb": np.zeros((4, 6)), "depth": np.zeros((6, 4))}, "sizes differ"),
        ({}, "holds no array"),
    ],
)
def test_bad_arrays_are_frames_with_errors(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    (frame,) = saved(tmp_path / "a.npz", **arrays)
    assert said in frame.error


def test_no_pickle_is_read(tmp_path: Path) -> None:
    (frame,) = saved(tmp_path / "a.npz", rgb=np.array([[{}, 1]], dtype=object))
    assert "object" in frame.error


def claimed(path: Path, shape: tuple[int, ...]) -> None:
    """A file whose header claims an image that is not there."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rgb.npy", header.getvalue() + bytes(10))


def test_sizes_are_checked_before_memory_is_taken(tmp_path: Path) -> None:
    for name, shape in (("a", (2**14, 2**13)), ("b", (9, 9))):
        claimed(tmp_path / f"{name}.npz", shape)
    for name, said in (("a", f"more than {MAX_PIXELS} pixels"), ("b", "ends in the middle")):
        (frame,) = ArrayFiles({name: tmp_path / f"{name}.npz"}, MODALITIES, resize=False)
        assert said in frame.error


def test_a_damaged_file_stops_no_other(tmp_path: Path) -> None:
    for name in "abc":
        np.savez(tmp_path / f"{name}.npz", rgb=np.zeros((4, 6), np.uint8))
    (tmp_path / "b.npz").write_bytes(b"PK\3\4 no more")
    source = ArrayFiles({name: tmp_path / f"{name}.npz" for name in "abc"}, MODALITIES, resize=False)
    assert [bool(frame.error) for frame in source] == [False, True, False]
    assert source.length == 3
