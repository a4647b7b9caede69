import numpy as np
import pytest
import torch

from robustseg.data.world import MODALITIES, sequence
from robustseg.data.world.geometry import pixel_rays
from robustseg.data.world.materials import MARKING, PEDESTRIAN, ROAD, SIGN
from robustseg.data.world.scene import generator, scene_of
from robustseg.data.world.sensors import event_image

RGB, DEPTH, EVENT, LIDAR = range(4)
SCENES = range(6)


def shots(sensor, condition, **options):
    """One sensor's images "N 3 H W" of some scenes under one condition."""
    samples = [sequence(scene, [4.0], condition=condition, **options)[0] for scene in SCENES]
    return torch.stack([sample.images[sensor] for sample in samples])


def labels(condition="day"):
    return torch.stack([sequence(scene, [4.0], condition=condition)[0].labels for scene in SCENES])


def test_the_sensors_stand_in_this_order():
    assert [modality.name for modality in MODALITIES] == ["rgb", "depth", "event", "lidar"]


def test_no_time_no_events():
    assert shots(EVENT, "night", window=0.0).max() == 0
    assert shots(EVENT, "night").max() > 0


def test_more_events_in_a_longer_window():
    short, long = (int((shots(EVENT, "day", window=window)[:, :2] > 0).sum()) for window in (0.02, 0.08))
    assert long > 1.5 * short


def test_the_dark_is_noisier_for_events():
    still = [np.full((96, 128, 1), light, np.float32) for light in (0.3, 0.003)]
    fired = [(event_image(scene_of(0, 0), light, light, 0.05, generator(1))[..., :2] > 0).sum() for light in still]
    assert fired[1] > 3 * fired[0] > 0


def test_night_darkens_the_camera_and_leaves_the_lidar_alone():
    assert shots(RGB, "night").mean() < 0.6 * shots(RGB, "day").mean()
    assert torch.equal(shots(LIDAR, "night"), shots(LIDAR, "day"))


@pytest.mark.parametrize("condition", ["fog", "rain"])
def test_droplets_cost_lidar_returns_and_more_so_far_away(condition):
    clear, wet = shots(LIDAR, "day")[:, 0], shots(LIDAR, condition)[:, 0]
    near, far = (
        (lambda image, low=low, high=high: int(((image > low) & (image <= high)).sum()))
        for low, high in ((40, 60), (100, 255))
    )
    assert near(wet) < near(clear)
    assert far(wet) / far(clear) < near(wet) / near(clear)


def test_lidar_and_stereo_agree_where_both_see():
    depth, lidar = shots(DEPTH, "day"), shots(LIDAR, "day")
    ray = torch.from_numpy(np.linalg.norm(pixel_rays(*depth.shape[-2:]), axis=0))
    both = (depth[:, 0] > 0) & (depth[:, 0] < 255) & (lidar[:, 0] > 0)
    stereo, laser = (1000 / depth[:, 0] * ray)[both], lidar[:, 0][both] / 4
    difference = (stereo - laser).abs() / laser
    assert both.sum() > 500
    assert difference.median() < 0.06
    assert (difference < 0.3).double().mean() > 0.85  # the rest: stereo's thick outlines


def test_stereo_noise_grows_with_range():
    depth, lidar = shots(DEPTH, "day"), shots(LIDAR, "day")
    ray = torch.from_numpy(np.linalg.norm(pixel_rays(*depth.shape[-2:]), axis=0))
    both = (depth[:, 0] > 0) & (depth[:, 0] < 255) & (lidar[:, 0] > 0)
    error = (1000 / depth[:, 0] * ray - lidar[:, 0] / 4).abs()
    bands = [both & (lidar[:, 0] / 4 > low) & (lidar[:, 0] / 4 < high) for low, high in ((6, 10), (12, 18), (24, 36))]
    medians = [float(error[band].median()) for band in bands]
    assert medians == sorted(medians)
    assert medians[2] > 4 * medians[0]


@pytest.mark.parametrize("condition", ["night", "low_sun", "fog"])
def test_stereo_fails_where_light_or_contrast_fail(condition):
    matched = [float((shots(DEPTH, name)[:, 0] > 0).float().mean()) for name in ("day", condition)]
    assert matched[1] < 0.85 * matched[0]


def test_fog_takes_contrast_from_the_camera_and_the_low_sun_saturates_it():
    spread = [float(shots(RGB, name).std((-2, -1)).mean()) for name in ("day", "fog")]
    assert spread[1] < 0.8 * spread[0]
    saturated = [float((shots(RGB, name) >= 254).all(1).float().mean()) for name in ("day", "low_sun")]
    assert saturated[1] > saturated[0] + 0.03


def test_reflectivity_shows_lane_markings_and_signs():
    lidar, truth = shots(LIDAR, "day"), labels()
    seen = lidar[:, 0] > 0
    reported = [float(lidar[:, 1][seen & (truth == label)].median()) for label in (ROAD, MARKING, SIGN)]
    assert reported[1] > 1.6 * reported[0]
    assert reported[2] > 2.0 * reported[0]


def test_rings_are_sparse_but_hit_people():
    lidar, truth = shots(LIDAR, "day")[:, 0] > 0, labels()
    assert 0.01 < lidar.float().mean() < 0.3
    assert (lidar & (truth == PEDESTRIAN)).any()
