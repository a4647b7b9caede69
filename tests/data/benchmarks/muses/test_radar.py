import cv2
import numpy as np
import pytest

from robustseg.data.benchmarks.muses.calibration import read_calibration
from robustseg.data.benchmarks.muses.points import point_image
from robustseg.data.benchmarks.muses.radar import Turn, direction_ends, echoes, in_view, read_radar

EVERY = np.ones(400, bool)


def polar(bins: int = 40) -> np.ndarray:
    image = np.zeros((11 + bins, 400), np.uint8)
    image[:4, 7] = (1, 2, 0, 0)  # 513 s, little end first
    image[4:8, 7] = (0, 0, 0, 1)  # 2**24 ns
    image[10] = 255
    image[10, 3] = 0
    return image


def save(path, image):
    assert cv2.imwrite(str(path), image)
    return path


def test_a_polar_image_by_hand(tmp_path):
    image = polar()
    image[11 + 22, 199] = 90  # the bin that ends at 23 * 0.0438 m, straight ahead by 0.9 * 199 = 179.1 degrees
    turn = read_radar(save(tmp_path / "a.png", image))
    assert turn.power.shape == (40, 400)
    assert turn.seconds[7] == 513 + 2**24 * 1e-9
    assert np.flatnonzero(~turn.valid).tolist() == [3]
    found = echoes(turn, EVERY)
    assert len(found.points) == 399 * 40
    (echo,) = np.flatnonzero(found.power)
    np.testing.assert_allclose(found.points[echo], (23 * 0.0438, 0, -1.62), atol=1e-12)


def test_columns_turn_from_the_rear_left_over_the_front_to_the_right(tmp_path):
    found = echoes(Turn(np.ones((1, 400), np.uint8), EVERY, np.zeros(400)), EVERY)
    left, ahead, right = found.points[[99, 199, 299], :2] / 0.0438
    np.testing.assert_allclose(left, (0, 1), atol=1e-9)  # column 99 looks 90 degrees to the left
    np.testing.assert_allclose(ahead, (1, 0), atol=1e-9)
    np.testing.assert_allclose(right, (0, -1), atol=1e-9)


def test_of_a_colour_image_the_last_channel_of_the_file_counts(tmp_path):
    image = np.dstack([polar(), polar() * 0, polar() * 0])  # blue first, as OpenCV has it
    assert read_radar(save(tmp_path / "a.png", image)).valid.sum() == 399


@pytest.mark.parametrize(
    "image",
    [np.zeros((50, 401), np.uint8), np.zeros((11, 400), np.uint8), np.zeros((50, 400), np.uint16)],
)
def test_other_images_are_refused(tmp_path, image):
    with pytest.raises(ValueError, match=r"a\.png is no polar radar image"):
        read_radar(save(tmp_path / "a.png", image))


def test_leaving_out_directions_changes_nothing(tree):
    calibration = read_calibration(tree / "calib.json")
    transform, size = calibration.transforms["radar2rgb"], (108, 192)
    camera = calibration.camera_at(size)
    view = in_view(direction_ends(), transform, camera, size[1])
    assert 50 < view.sum() < 110  # the development kit takes columns 145 to 254
    assert set(np.flatnonzero(view)) <= set(range(145, 255))
    draw = np.random.default_rng(0)
    turn = Turn(draw.integers(0, 256, (7536, 400), np.uint8), draw.uniform(size=400) < 0.9, np.zeros(400))
    images = []
    for directions in (view, EVERY):
        found = echoes(turn, directions)
        image = point_image(
            found.points, found.power[:, None], transform=transform, camera=camera, size=size, furthest=150
        )
        images.append(image.dense())
    np.testing.assert_array_equal(*images)
    assert images[0][0][images[0][0] > 0].min() > 1
    assert 149 < images[0][0].max() <= 150
