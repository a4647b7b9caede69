from dataclasses import fields, replace

import pytest
import torch
from profiles import random_profile
from safetensors.torch import load_file, save_file

from robustseg.deploy.health.profile import FORMAT, HEALTH_FILE, Profile, load_profiles, save_profiles
from robustseg.deploy.health.statistics import NAMES

SHA = "a" * 64


def test_profiles_come_back(tmp_path) -> None:
    saved = {"rgb": random_profile(0), "lidar": random_profile(1)}
    save_profiles(tmp_path, saved, SHA)
    found = load_profiles(tmp_path, SHA)
    assert list(found) == ["rgb", "lidar"]
    for name, entry in saved.items():
        for key in fields(Profile):
            assert torch.equal(getattr(found[name], key.name), getattr(entry, key.name))


def test_what_cannot_be_used_is_said(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="run robustseg health"):
        load_profiles(tmp_path, SHA)
    save_profiles(tmp_path, {"rgb": random_profile()}, SHA)
    with pytest.raises(ValueError, match="learned for other weights"):
        load_profiles(tmp_path, "b" * 64)
    path = tmp_path / HEALTH_FILE
    whole = path.read_bytes()
    for damaged in (whole[:20], whole[:-40], b"", b"\xff" * 100):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=HEALTH_FILE):
            load_profiles(tmp_path, SHA)
    path.write_bytes(b"\0" * 17_000_000)
    with pytest.raises(ValueError, match="too large"):
        load_profiles(tmp_path, SHA)


@pytest.mark.parametrize(
    "broken",
    [
        {"out": torch.zeros(2, 5)},
        {"mean": torch.full((len(NAMES) + 2,), torch.nan)},
        {"std": torch.zeros(len(NAMES) + 2)},
        {"limits": torch.zeros(5, dtype=torch.float64)},
    ],
)
def test_numbers_that_make_no_profile(tmp_path, broken) -> None:
    save_profiles(tmp_path, {"rgb": replace(random_profile(), **broken)}, SHA)
    with pytest.raises(ValueError, match=r"rgb.* is not what robustseg health writes"):
        load_profiles(tmp_path, SHA)


def test_a_profile_that_lacks_something(tmp_path) -> None:
    save_profiles(tmp_path, {"rgb": random_profile()}, SHA)
    path = tmp_path / HEALTH_FILE
    tensors = load_file(path)
    tensors.pop("rgb/out")
    for about in (
        {"format": FORMAT, "weights": SHA, "modalities": '["rgb"]'},
        {"format": FORMAT, "weights": SHA, "modalities": "{"},
    ):
        save_file(tensors, path, about)
        with pytest.raises(ValueError, match="not what robustseg health writes"):
            load_profiles(tmp_path, SHA)


@pytest.mark.parametrize("names", ["null", "{", "[" * 3000, "9" * 5000])
def test_names_that_are_none(tmp_path, names: str) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / HEALTH_FILE, {"format": FORMAT, "weights": SHA, "modalities": names})
    with pytest.raises(ValueError, match="is not what robustseg health writes"):
        load_profiles(tmp_path, SHA)


def test_a_number_has_no_length(tmp_path) -> None:
    save_profiles(tmp_path, {"rgb": random_profile()}, SHA)
    about = {"format": FORMAT, "weights": SHA, "modalities": '["rgb"]'}
    save_file(load_file(tmp_path / HEALTH_FILE) | {"rgb/mean": torch.tensor(1.0)}, tmp_path / HEALTH_FILE, about)
    with pytest.raises(ValueError, match="is not what robustseg health writes"):
        load_profiles(tmp_path, SHA)
