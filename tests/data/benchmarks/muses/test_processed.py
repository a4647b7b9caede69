"""What others projected: the kit's codings, its order of channels, and the published code's habits."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from robustseg.data.benchmarks.muses import open_muses
from robustseg.data.benchmarks.muses.processed import decoded, encoded, habitual, read_processed, stretched
from robustseg.data.fake.muses_projected import write_projected, write_published
from robustseg.recipe import Muses

NONE: frozenset = frozenset()
HIGH = frozenset({"high_byte"})


def kit_png(path, image):
    """As the development kit writes it: OpenCV takes channel 0 for blue."""
    assert cv2.imwrite(str(path), image)
    return path


def test_16_bits_hold_hundredths_and_opencvs_order_is_undone(tmp_path):
    image = np.zeros((4, 5, 3), np.float32)
    image[1, 2] = (37.5, 200, -1.3)  # range, intensity, height
    path = kit_png(tmp_path / "a.png", ((image + 100) * 150).astype(np.uint16))
    read = read_processed(path, "lidar", NONE)
    np.testing.assert_allclose(read[:, 1, 2], (37.5, 200, -1.3), atol=1 / 150)
    assert np.count_nonzero(read) == 3
    with Image.open(path) as other:  # another reader sees the height first
        assert np.asarray(other.convert("RGB"))[1, 2].tolist() == [int(98.7 * 150) >> 8, 45000 >> 8, 20625 >> 8]


def test_events_are_plain_counts_in_opencvs_order(tmp_path):
    image = np.zeros((4, 5, 3), np.uint8)
    image[1, 2] = (9, 4, 0)  # positive, negative
    assert read_processed(kit_png(tmp_path / "a.png", image), "event", NONE)[:, 1, 2].tolist() == [9, 4, 0]
    with pytest.raises(ValueError, match="events must be counts of 8 bits"):
        read_processed(kit_png(tmp_path / "a.png", image.astype(np.uint16)), "event", NONE)


def test_the_high_byte_is_what_pillow_leaves(tmp_path):
    image = np.array([[[15000, 30000, 15150]]], np.uint16)
    path = kit_png(tmp_path / "a.png", image)
    assert read_processed(path, "lidar", HIGH).ravel().tolist() == [58, 117, 59]
    with Image.open(path) as other:
        assert np.asarray(other.convert("RGB"))[0, 0, ::-1].tolist() == [58, 117, 59]


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_arrays_keep_their_order_and_give_the_same_high_byte(tmp_path, name):
    image = np.zeros((4, 5, 3), np.float32)
    image[1, 2] = (37.5, 200, -1.3)
    save = np.savez_compressed if name == "a.npz" else np.save
    save(tmp_path / name, image)
    png = kit_png(tmp_path / "a.png", ((image + 100) * 150).astype(np.uint16))
    np.testing.assert_array_equal(read_processed(tmp_path / name, "lidar", NONE), image.transpose(2, 0, 1))
    np.testing.assert_array_equal(read_processed(tmp_path / name, "lidar", HIGH), read_processed(png, "lidar", HIGH))


def test_codings_by_hand():
    assert encoded(np.array([[[0.0, 100, -100, 1000]]], np.float32)).ravel().tolist() == [15000, 30000, 0, 65535]
    assert decoded(np.array([[[15000]], [[30000]], [[0]]], np.uint16)).ravel().tolist() == [0, 100, -100]


def test_min_max_of_an_empty_frame_is_no_division_by_zero():
    for value in (0.0, 58.0):
        assert not stretched(np.full((3, 2, 2), value, np.float32)).any()
    image = np.array([-2, 0, 8], np.float32).reshape(3, 1, 1)
    np.testing.assert_allclose(stretched(image).ravel(), (0, 51, 255), rtol=1e-6)
    both = habitual(image, frozenset({"high_byte", "min_max"}))
    np.testing.assert_allclose(both.ravel(), stretched(np.array([57, 58, 63], np.float32).reshape(3, 1, 1)).ravel())


def test_8_bits_have_no_unit(tmp_path):
    path = kit_png(tmp_path / "a.png", np.full((2, 2, 3), 60, np.uint8))
    with pytest.raises(ValueError, match=r"a\.png: values of uint8 have no known unit.*high_byte or min_max"):
        read_processed(path, "lidar", NONE)
    assert (read_processed(path, "lidar", HIGH) == 60).all()
    assert not read_processed(path, "lidar", frozenset({"min_max"})).any()


def test_bad_files_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 2, 3), np.nan, np.float32))
    with pytest.raises(ValueError, match=r"a\.npy: 12 values are not finite"):
        read_processed(tmp_path / "a.npy", "lidar", NONE)
    np.save(tmp_path / "b.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match=r"b\.npy must have 3 channels, got 1"):
        read_processed(tmp_path / "b.npy", "lidar", NONE)


@pytest.mark.parametrize("kind", [".npz", ".npy", ".png"])
def test_the_kits_files_show_what_the_raw_ones_do(copy, data, kind):
    write_projected(copy, kind)
    kit = open_muses(replace(data, muses=Muses(source="sdk")), "val", training=True)
    raw = open_muses(data, "val", training=True)
    assert kit.modalities == raw.modalities
    tolerance = 0.51 / 75 if kind == ".png" else 0
    np.testing.assert_allclose(kit[1].images, raw[1].images, atol=tolerance)


def test_exact_values_are_read_where_there_are_several(copy, data):
    for kind in (".png", ".npz"):
        write_projected(copy, kind)
    kit = open_muses(replace(data, muses=Muses(source="sdk")), "val", training=True)
    assert {path.suffix for path in kit.scenes[0].files[2]} == {".npz"}
    (copy / "projected_to_rgb").rename(copy / "elsewhere")
    with pytest.raises(FileNotFoundError, match=r"there is no \S+/projected_to_rgb, which"):
        open_muses(replace(data, muses=Muses(source="sdk")), "val", training=True)


def test_the_published_layout_and_its_habits(copy, data):
    write_published(copy)
    muses = Muses(source="published")
    strict = open_muses(replace(data, muses=muses), "val", training=True)
    raw = open_muses(data, "val", training=True)
    np.testing.assert_allclose(strict[0].images, raw[0].images, atol=0.51 / 75)
    published = open_muses(replace(data, muses=muses, conventions="published"), "val", training=True)
    camera, event, lidar, _ = published[0].images.numpy()
    np.testing.assert_array_equal(camera, raw[0].images[0])
    np.testing.assert_array_equal(event, raw[0].images[1])
    high = np.floor((raw[0].images[2].numpy().astype(np.float64) + 100) * 150) // 256
    expected = 255 * (high - high.min()) / (high.max() - high.min())
    np.testing.assert_allclose(lidar, expected, rtol=1e-5)
    assert (lidar.min(), lidar.max()) == (0, 255)
    assert {modality.std for modality in published.modalities} == {(255.0, 255.0, 255.0)}
