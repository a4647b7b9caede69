"""What meta.json says, and what it must not say."""

import json
import os
import shutil

import pytest

from robustseg.data.benchmarks.muses.scenes import check_listed, read_scenes, scene_path, seconds_since_start


def edited(root, change):
    path = root / "meta.json"
    values = json.loads(path.read_text())
    name = sorted(values)[0]
    change(values, values[name])
    path.write_text(json.dumps(values))
    return name


def test_scenes_by_name_with_their_tags(tree):
    entries = read_scenes(tree)
    assert [entry.name for entry in entries] == sorted(entry.name for entry in entries)
    assert [entry.split for entry in entries] == ["train"] * 3 + ["val"] * 3 + ["test"] * 3
    rain = entries[2]
    assert rain.tags == {
        "weather": "rain",
        "time_of_day": "day",
        "ground_condition": "wet",
        "precipitation_tag": "rain",
        "precipitation_level": "light",
        "sun_level": "overcast",
        "tunnel": "false",
    }
    assert rain.labels == "gt_semantic/train/rain/day/REC0002_frame_001000_gt_labelTrainIds.png"
    assert rain.sequence == "REC0002"


def test_rain_is_a_tag_not_a_part_of_the_word_train(tree):
    rainy = [entry.name for entry in read_scenes(tree) if entry.split == "train" and entry.tags["weather"] == "rain"]
    assert rainy == ["REC0002_frame_001000"]
    assert sum("rain" in entry.paths["lidar"] for entry in read_scenes(tree) if entry.split == "train") == 3


def test_time_runs_from_the_first_scene_of_a_recording(copy):
    def another(values, first):
        name = "REC0000_frame_001045"
        values[name] = {
            key: value.replace("REC0000_frame_001000", name) if isinstance(value, str) else value
            for key, value in first.items()
        }
        for key in ("start", "end"):
            stamp = f"frame_camera_exposure_{key}_timestamp_us"
            values[name][stamp] = str(first[stamp] + 1_500_000)  # text, as the kit allows

    edited(copy, another)
    times = seconds_since_start(read_scenes(copy))
    assert (times["REC0000_frame_001000"], times["REC0000_frame_001045"]) == (0.0, 1.5)


def test_unknown_keys_and_keys_of_many_values_do_no_harm(copy):
    def more(values, first):
        first["path_to_reference_frame"] = "../../anything"
        for number, entry in enumerate(values.values()):
            entry["note"] = {"free": [1, 2]}
            entry["precipitation_level"] = number
            entry["sun_level"] = None

    edited(copy, more)
    tags = read_scenes(copy)[0].tags
    assert tags["precipitation_level"] == "0"  # nine values are conditions
    assert "sun_level" not in tags


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("path_to_lidar", "../../../etc/passwd", "leads outside the data"),
        ("path_to_lidar", "/etc/passwd", "leads outside the data"),
        ("path_to_lidar", "lidar/train/clear/day/../../../../x.bin", "leads outside the data"),
        ("path_to_lidar", "lidar/train/clear/day/REC0001_frame_001000_lidar.bin", "does not agree with its name"),
        ("path_to_radar", "radar/val/clear/day/REC0000_frame_001000_radar.png", "does not agree with its name"),
        ("path_to_radar", 7, "leads outside the data"),
        ("split", "../train", "must be words"),
        ("weather", "rain", "does not agree with its name"),
        ("weather", None, "must be words"),
        ("frame_camera_exposure_end_timestamp_us", "soon", "must be microseconds"),
    ],
)
def test_entries_that_contradict_themselves(copy, key, value, message):
    name = edited(copy, lambda values, first: first.update({key: value}))
    with pytest.raises(ValueError, match=rf"meta\.json: {name}: .*{message}.*; 1 of 9 scenes are like this: copy"):
        read_scenes(copy)


def test_names_that_are_none(copy):
    edited(copy, lambda values, first: values.update({"../REC0000": first}))
    with pytest.raises(ValueError, match="a scene is called REC0000_frame_000000"):
        read_scenes(copy)


@pytest.mark.parametrize("text", ["[]", "{}", "[" * 10**5, '{"a": 1, "a": 2}', "nonsense"])
def test_other_files(copy, text):
    (copy / "meta.json").write_text(text)
    with pytest.raises(ValueError, match=r"meta\.json"):
        read_scenes(copy)


def test_links_that_leave_the_root(copy, tmp_path):
    entry = read_scenes(copy)[0]
    path = copy / entry.paths["lidar"]
    outside = tmp_path / "outside.bin"
    shutil.move(path, outside)
    path.symlink_to(outside)
    with pytest.raises(ValueError, match="leads outside"):
        scene_path(copy, entry, "lidar")
    path.unlink()
    os.rename(outside, path.with_name("inside.bin"))
    path.symlink_to("inside.bin")
    assert scene_path(copy, entry, "lidar") == path


def test_a_sensor_that_is_not_listed(copy):
    before = read_scenes(copy)[0]
    edited(copy, lambda values, first: first.pop("path_to_lidar"))
    edited(copy, lambda values, first: first.update(path_to_gnss=None))
    after = read_scenes(copy)[0]
    assert after.paths.keys() == before.paths.keys() - {"lidar", "gnss"}
    for folder in before.paths:  # where it would be
        assert scene_path(copy, after, folder) == scene_path(copy, before, folder)


@pytest.mark.parametrize("level", ["..", "lidar", "lidar/train"])
def test_a_wrong_level_names_the_right_one(copy, level):
    wrong = copy.parent if level == ".." else copy / level
    with pytest.raises(
        FileNotFoundError, match=rf"{wrong} is not MUSES's root, which holds meta\.json.*; did you mean {copy}\?"
    ):
        read_scenes(wrong)
    with pytest.raises(FileNotFoundError, match=rf"there is no folder {copy}/nowhere"):
        read_scenes(copy / "nowhere")


def test_files_that_meta_json_does_not_know(copy):
    entries = read_scenes(copy)
    check_listed(copy, entries, "train", ["lidar", "frame_camera"])
    path = copy / entries[0].paths["lidar"]
    for name in ("REC0000_frame_009990_lidar.bin", "REC0000_frame_009991_lidar.bin"):
        shutil.copy(path, path.with_name(name))
    (path.parent / "notes.txt").touch()
    with pytest.raises(ValueError, match=r"REC0000_frame_009990_lidar\.bin is not in meta\.json, nor are 1 other"):
        check_listed(copy, entries, "train", ["lidar", "frame_camera"])
    check_listed(copy, entries, "val", ["lidar"])
