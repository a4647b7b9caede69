from itertools import product

from robustseg.benchmark.subsets import sensor_sets
from robustseg.modalities import Modality


def test_a_sensor_is_there_as_a_whole():
    modalities = [Modality("rgb", sensor="camera"), Modality("nir"), Modality("aolp", sensor="camera")]
    found = {entry.name: entry for entry in sensor_sets(modalities)}
    assert {name: entry.mask for name, entry in found.items()} == {
        "camera": (True, False, True),
        "nir": (False, True, False),
        "camera+nir": (True, True, True),
    }
    assert found["camera"].modalities == "rgb+aolp"
    assert (found["camera"].size, found["nir"].size) == (2, 1)
    assert found["camera"].present(2).tolist() == [[True, False, True]] * 2


def test_all_of_a_few_sensors():
    masks = [entry.mask for entry in sensor_sets([Modality(name) for name in "abcd"])]
    assert sorted(masks) == sorted(set(product([False, True], repeat=4)) - {(False,) * 4})
    assert masks[-1] == (True,) * 4


def test_few_of_many_sensors():
    found = sensor_sets([Modality(name) for name in "abcdefg"])
    assert [entry.size for entry in found] == [1] * 7 + [6] * 7 + [7]
