import numpy as np
import pytest

from robustseg.deploy.sources.source import FramesSource, Part, composed, decoded, find_parts, of_one_size
from robustseg.modalities import Modality

RGB, DEPTH = Modality("rgb", photometric=True), Modality("depth", resample="nearest")
TWO = Modality("two", files={"a": "a/{name}.png", "b": "b/{name}.png"}, channels=("a", "b", "a - b"))


def test_names_of_parts() -> None:
    assert find_parts(["rgb", "two.a", "two.b"], (RGB, TWO)) == {
        "rgb": Part("rgb", "rgb"),
        "two.a": Part("two", "a"),
        "two.b": Part("two", "b"),
    }
    assert find_parts(["rgb.rgb"], (RGB,)) == {"rgb.rgb": Part("rgb", "rgb")}
    for name in ("two", "two.c", "sonar", "rgb.x"):
        with pytest.raises(ValueError, match=f"no input '{name}': this model's are rgb, two.a, two.b"):
            find_parts([name], (RGB, TWO))


def test_a_modality_with_some_of_its_parts_is_absent() -> None:
    value = np.ones((2, 3, 1), np.float32)
    images = composed({Part("rgb", "rgb"): value, Part("two", "a"): value}, (RGB, TWO))
    assert list(images) == ["rgb"]
    images = composed({Part("two", "b"): 3 * value, Part("two", "a"): value}, (RGB, TWO))
    assert images["two"][0, 0].tolist() == [1, 3, -2]
    with pytest.raises(ValueError, match=r"'two': sizes differ"):
        composed({Part("two", "b"): value[:1], Part("two", "a"): value}, (RGB, TWO))


def test_the_camera_leads_in_size() -> None:
    images = {"depth": np.arange(8.0, dtype=np.float32).reshape(2, 4, 1).repeat(3, 2), "rgb": np.zeros((4, 8, 3), "f4")}
    resized = of_one_size(images, (DEPTH, RGB), resize=True)
    np.testing.assert_array_equal(resized["depth"], images["depth"].repeat(2, 0).repeat(2, 1))
    with pytest.raises(ValueError, match=r"sizes differ: depth 2x4, rgb 4x8"):
        of_one_size(images, (DEPTH, RGB), resize=False)
    assert of_one_size({}, (DEPTH, RGB), resize=False) == {}


def test_a_dataset_as_a_source(toy_frames) -> None:
    frames = toy_frames()
    source = FramesSource(frames)
    assert source.length == 6
    for number, frame in enumerate(source):
        sample = frames[number]
        assert frame.name == sample.name
        assert frame.time is None
        for modality, image, here in zip(frames.modalities, sample.images, sample.present, strict=True):
            assert (modality.name in frame.images) == bool(here)
            if here:
                np.testing.assert_array_equal(frame.images[modality.name], image.permute(1, 2, 0))


def test_errors_stand_on_one_line() -> None:
    def read() -> dict[str, np.ndarray]:
        raise ValueError("one\ntwo")

    assert decoded("a", read, 3.0).error == "one two"
