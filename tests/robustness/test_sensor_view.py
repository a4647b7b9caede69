from dataclasses import replace

import pytest
import torch

from robustseg.robustness.sensor_view import sensor_view


def test_rows_hold_whole_sensors(made):
    found = made(("rgb", "lidar", "aolp", "nir"), sensors=("camera", "lidar", "camera", "nir"))
    view = sensor_view(found)
    assert view.modalities == view.sensors == ("camera", "lidar", "nir")
    assert view.names == ("camera", "lidar", "nir", "camera+lidar", "camera+nir", "lidar+nir", "camera+lidar+nir")
    wanted = ["rgb+aolp", "lidar", "nir", "rgb+lidar+aolp", "rgb+aolp+nir", "lidar+nir", "rgb+lidar+aolp+nir"]
    rows = [found.names.index(name) for name in wanted]
    assert view.counts.equal(found.counts[:, rows])
    assert view.scored.equal(found.scored[:, rows])


def test_sensors_of_one_modality_change_nothing(made):
    found = made()
    assert sensor_view(found) is found
    renamed = sensor_view(replace(found, sensors=("front", "stereo", "roof")))
    assert renamed.modalities == ("front", "stereo", "roof")
    assert renamed.counts.equal(found.counts)


def test_states_and_confidence_come_along(made):
    found = made(("rgb", "aolp"), sensors=("camera", "camera"))
    confidence = torch.rand(6, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    view = sensor_view(replace(found, states=("a", "b", "c"), confidence=confidence))
    assert view.states == ("c",)
    assert view.confidence.equal(confidence[:, 2:])


def test_parts_of_a_sensor_are_no_sensor(made):
    found = made(("rgb", "aolp"), sensors=("camera", "camera"))
    parts = replace(found, counts=found.counts[:, :2], scored=found.scored[:, :2], subsets=found.subsets[:2])
    with pytest.raises(ValueError, match="no subset that was evaluated holds whole sensors"):
        sensor_view(parts)
