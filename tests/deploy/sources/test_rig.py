from dataclasses import fields
from pathlib import Path

import pytest

from robustseg.deploy.sources.rig import Camera, CloudTopic, ImageTopic, Rig, read_rig
from robustseg.modalities import Modality

MODALITIES = (Modality("rgb", photometric=True), Modality("depth", unit="m"), Modality("lidar", unit="m"))
CLOUD = "{topic: /points, camera: {topic: /info}, channels: [range, intensity, height]"


def written(folder: Path, text: str) -> Path:
    path = folder / "rig.yaml"
    path.write_text(text)
    return path


def test_a_rig(tmp_path: Path) -> None:
    images = "images: {depth: {topic: /d, scale: 0.001}, rgb: {topic: /c}}"
    text = f"tolerance: 0.1\n{images}\nclouds: {{lidar: {CLOUD}}}}}"
    rig = read_rig(written(tmp_path, text), MODALITIES)
    assert rig.names == ("depth", "rgb", "lidar")
    assert (rig.leader, rig.tolerance, rig.images["depth"].scale, rig.resize) == ("depth", 0.1, 0.001, False)
    assert rig.clouds["lidar"].channels == ("range", "intensity", "height")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "a rig names topics"),
        ("images: {rgb: {topics: /c}}", "unknown key 'topics' in images.rgb"),
        ("images: {sonar: {topic: /c}}", "no input 'sonar': this model's are rgb, depth, lidar"),
        ("images: {rgb: {topic: /c, scale: 0}}", "scale 0"),
        ("images: {rgb: {topic: /c}}\nleading: lidar", "'lidar' is none of rgb"),
        ("images: {rgb: {topic: /c}}\ntolerance: -1", "tolerance lies in"),
        ("images: {rgb: {topic: /c}}\nresize: 1", "resize must be bool"),
        ("images: {rgb: {topic: /c}}\nstamps: never", "stamps must be one of"),
        (f"images: {{lidar: {{topic: /c}}}}\nclouds: {{lidar: {CLOUD}}}}}", "stands in both"),
        (f"clouds: {{sonar: {CLOUD}}}}}", "clouds.sonar is no modality"),
        (f"clouds: {{lidar: {CLOUD}, dilation: 0}}}}", "dilation lies in"),
        ("clouds: {lidar: {topic: /p, camera: {}, channels: [x, y, z]}}", "a camera is a topic"),
        (
            "clouds: {lidar: {topic: /p, camera: {matrix: [[0, 0, 1], [0, 1, 1], [0, 0, 1]], size: [4, 4]},"
            " channels: [x, y, z], camera_frame: c}}",
            "fx and fy above 0",
        ),
        (
            "clouds: {lidar: {topic: /p, camera: {matrix: [[1, 0, 1], [0, 1, 1], [0, 0, 1]], size: [100000, 100000]},"
            " channels: [x, y, z], camera_frame: c}}",
            "pixels, got",
        ),
        (
            "clouds: {lidar: {topic: /p, camera: {matrix: [[1, 0, 1], [0, 1, 1], [0, 0, 1]], size: [4, 4]},"
            " channels: [x, y, z]}}",
            "give `transform`, or `camera_frame`",
        ),
        (
            f"clouds: {{lidar: {CLOUD}, transform: [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}}}}",
            "no rigid motion",
        ),
        ("images: !!python/name:os.system {}", "valid YAML|tag"),
    ],
)
def test_bad_rigs_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_rig(written(tmp_path, text), MODALITIES)
    assert "rig.yaml" in str(caught.value)


def test_no_rig(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no rig file"):
        read_rig(tmp_path / "rig.yaml", MODALITIES)


def test_the_rig_in_the_manual(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    rig = read_rig(written(tmp_path, text), MODALITIES)
    assert rig.names == ("rgb", "depth", "lidar")
    for kind in (Rig, ImageTopic, CloudTopic, Camera):
        for entry in fields(kind):
            assert f"{entry.name}:" in text, f"{kind.__name__}.{entry.name} is not explained"
