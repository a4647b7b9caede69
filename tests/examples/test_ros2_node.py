"""The ROS 2 node against stand-ins for rclpy and the message classes."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from idle import NAMES, HandClock, IdlePredictor

import robustseg as rs
from robustseg.models.weights import save_model

PATH = Path(__file__).parents[2] / "examples" / "ros2_node.py"
RNG = np.random.default_rng(0)


class Message(SimpleNamespace):
    """An image or a string, with the fields that the node reads and writes."""

    def __init__(self, **fields: object) -> None:
        stamp = SimpleNamespace(sec=0, nanosec=0)
        super().__init__(**{"header": SimpleNamespace(stamp=stamp, frame_id=""), "is_bigendian": 0} | fields)


class Node:
    """Keeps what is published and logged, by topic."""

    def __init__(self) -> None:
        self.callbacks, self.published, self.warnings = {}, {}, []

    def create_publisher(self, kind, topic, depth):
        self.published[topic] = []
        return SimpleNamespace(publish=self.published[topic].append)

    def create_subscription(self, kind, topic, callback, qos):
        self.callbacks[topic] = callback

    def get_logger(self):
        return SimpleNamespace(warning=lambda text, **options: self.warnings.append(text))

    def destroy_node(self):
        self.callbacks.clear()


def module(**names: object) -> ModuleType:
    made = ModuleType("stub")
    made.__dict__.update(names)
    return made


@pytest.fixture
def ros(monkeypatch) -> SimpleNamespace:
    """The example with ROS around it; `spin` is called by spin_once."""
    node = Node()
    around = SimpleNamespace(node=node, spin=lambda: None, running=True)
    rclpy = module(
        init=lambda: None,
        ok=lambda: around.running,
        create_node=lambda name: node,
        spin_once=lambda node, timeout_sec: around.spin(),
        try_shutdown=lambda: None,
    )
    stubs = {
        "rclpy": rclpy,
        "rclpy.executors": module(ExternalShutdownException=type("ExternalShutdownException", (Exception,), {})),
        "rclpy.qos": module(qos_profile_sensor_data=object()),
        "sensor_msgs": module(),
        "sensor_msgs.msg": module(Image=Message),
        "std_msgs": module(),
        "std_msgs.msg": module(String=Message),
    }
    for name, stub in stubs.items():
        monkeypatch.setitem(sys.modules, name, stub)
    around.example = load_example(monkeypatch)
    return around


def load_example(monkeypatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("ros2_node", PATH)
    example = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ros2_node", example)  # dataclasses look their module up
    spec.loader.exec_module(example)
    return example


def image_message(pixels: np.ndarray, encoding: str, *, seconds: int = 5, nanosec: int = 0, margin: int = 0) -> Message:
    """`pixels` "H W C" with `margin` bytes after each row."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    padded = np.pad(rows, ((0, 0), (0, margin)), constant_values=99)
    height, width = pixels.shape[:2]
    message = Message(height=height, width=width, encoding=encoding, step=padded.shape[1], data=padded.tobytes())
    message.is_bigendian = int(pixels.dtype.byteorder == ">")
    message.header.stamp = SimpleNamespace(sec=seconds, nanosec=nanosec)
    message.header.frame_id = "front"
    return message


@pytest.mark.parametrize(
    ("encoding", "kind", "channels"),
    [("rgb8", "u1", 3), ("mono8", "u1", 1), ("16UC1", "<u2", 1), ("mono16", ">u2", 1), ("32FC3", "<f4", 3)],
)
@pytest.mark.parametrize("margin", [0, 5])
def test_pixels_are_those_of_the_message(ros, encoding, kind, channels, margin) -> None:
    pixels = RNG.integers(0, 256 if kind == "u1" else 60000, (4, 6, channels)).astype(kind)
    found = ros.example.pixels_of(image_message(pixels, encoding, margin=margin))
    np.testing.assert_array_equal(found, pixels)
    assert found.dtype == pixels.dtype.newbyteorder("=")


def test_blue_and_red_change_places(ros) -> None:
    pixels = RNG.integers(0, 256, (4, 6, 3)).astype(np.uint8)
    np.testing.assert_array_equal(ros.example.pixels_of(image_message(pixels, "bgr8")), pixels[..., ::-1])


def test_messages_that_are_no_images_are_refused(ros) -> None:
    message = image_message(np.zeros((4, 6, 3), np.uint8), "rgb8")
    with pytest.raises(ValueError, match="encoding 'bayer_rggb8' is none of mono8, "):
        ros.example.pixels_of(Message(**(vars(message) | {"encoding": "bayer_rggb8"})))
    for change in ({"step": 17}, {"data": message.data[:-1]}, {"height": 10**9}):
        with pytest.raises(ValueError, match=r"rows of .* bytes"):
            ros.example.pixels_of(Message(**(vars(message) | change)))


def node_of(ros, **options: object):
    sensors = {name: ros.example.Sensor(f"/{name}", 0.5) for name in NAMES}
    settings = ros.example.Settings("model", sensors | options)
    ages = dict.fromkeys(NAMES, 0.5)
    stream = rs.Stream(IdlePredictor(), ages, clock=HandClock())
    return stream, ros.example.SegmentationNode(ros.node, stream, settings)


def test_what_is_published_tells_what_it_is_made_from(ros) -> None:
    stream, node = node_of(ros)
    ros.node.callbacks["/depth"](
        image_message(np.ones((4, 6, 1), "<u2"), "16UC1", seconds=1_700_000_000, nanosec=123_456_789)
    )
    node.publish(stream.answer())
    (labels,), (status,) = ros.node.published.values()
    assert (labels.height, labels.width, labels.step, labels.encoding, len(labels.data)) == (4, 6, 6, "mono8", 24)
    assert vars(labels.header.stamp) == {"sec": 1_700_000_000, "nanosec": 123_456_789}
    assert labels.header.frame_id == "front"
    told = json.loads(status.data)
    assert (told["status"], told["ages"], told["unused"].keys()) == ("reduced", {"depth": 0.0}, {"rgb", "lidar"})


def test_values_are_scaled_to_the_modalitys_unit(ros) -> None:
    stream, _ = node_of(ros, depth=ros.example.Sensor("/depth", 0.5, scale=0.001))
    ros.node.callbacks["/depth"](image_message(np.full((4, 6, 1), 2500, "<u2"), "16UC1"))
    stream.answer()
    np.testing.assert_allclose(stream.predictor.encoded[0], 2.5)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_pixels_without_a_measurement_get_the_modalitys_missing_value(ros, scale) -> None:
    stream, _ = node_of(ros, depth=ros.example.Sensor("/depth", 0.5, scale=scale))
    stream.predictor.modalities = tuple(replace(each, missing=-1.0) for each in stream.predictor.modalities)
    node = ros.example.SegmentationNode(ros.node, stream, ros.example.Settings("model", {}))
    depth = np.full((4, 6, 1), 6.0, "<f4")
    depth[0, :3, 0] = np.nan, np.inf, -np.inf
    node.take("depth", scale, image_message(depth, "32FC1"))
    assert stream.answer().prediction.used == ("depth",)
    expected = np.where(np.isfinite(depth), depth * scale, -1.0)
    np.testing.assert_array_equal(stream.predictor.encoded[0], expected)
    assert stream.predictor.encoded[0].dtype == np.float32


def test_an_answer_made_while_an_image_is_pushed_is_published(ros) -> None:
    stream, node = node_of(ros)
    push = stream.push

    def push_and_answer(*frame) -> None:
        push(*frame)
        node.publish(stream.answer())

    stream.push = push_and_answer
    ros.node.callbacks["/rgb"](image_message(np.zeros((4, 6, 3), np.uint8), "rgb8"))
    (labels,) = ros.node.published["segmentation/labels"]
    assert labels.header.frame_id == "front"


def test_a_bad_message_is_logged_and_the_others_go_on(ros) -> None:
    stream, node = node_of(ros)
    node.publish(stream.answer())
    assert not ros.node.published["segmentation/labels"]
    assert json.loads(ros.node.published["segmentation/status"][0].data)["status"] == "none"
    ros.node.callbacks["/rgb"](image_message(np.zeros((4, 6, 3), np.uint8), "yuv422"))
    ros.node.callbacks["/lidar"](image_message(np.zeros((4, 6, 1), "<f4"), "32FC1"))
    assert ros.node.warnings[0].startswith("rgb: encoding 'yuv422'")
    assert stream.answer().prediction.used == ("lidar",)


def test_the_whole_node_answers_until_ros_ends(ros, toy_model, tmp_path) -> None:
    save_model(tmp_path / "model", toy_model, toy_model.card)
    settings = {"model": str(tmp_path / "model"), "rate": 50, "sensors": {"rgb": {"topic": "/rgb", "max_age": 60}}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))

    def spin() -> None:
        if "/rgb" in ros.node.callbacks and not ros.node.published["segmentation/labels"]:
            ros.node.callbacks["/rgb"](image_message(np.zeros((32, 40, 3), np.uint8), "rgb8"))
        else:
            ros.running = False

    ros.spin = spin
    ros.example.main(tmp_path / "settings.json")
    assert ros.node.published["segmentation/labels"][0].width == 40
    assert not ros.node.callbacks


def test_without_ros_one_line_says_so(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    with pytest.raises(SystemExit, match="rclpy is not there"):
        load_example(monkeypatch).main(Path("settings.json"))
