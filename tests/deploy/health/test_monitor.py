import pytest
import torch

from robustseg.deploy.health import Monitor, Profile, learn_health, save_profiles
from robustseg.deploy.health.monitor import PATIENCE
from robustseg.deploy.predictor import Predictor
from robustseg.deploy.tiling import bytes_needed
from robustseg.models.weights import save_model


class Told(Profile):
    """Finds an image sick if its first value is above 9, and unlike healthy ones if above 5."""

    def __init__(self) -> None:
        """Needs no numbers."""

    @property
    def span(self) -> tuple[float, float]:
        return 0.0, 10.0

    def unhealthy(self, gain, odds, distance) -> tuple[torch.Tensor, torch.Tensor]:
        return gain > 0, odds > 5

    def told(self, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return found - 9, found

    def distance(self, found: torch.Tensor) -> torch.Tensor:
        return found

    def oddest(self, found: torch.Tensor) -> str:
        return f"{float(found):g}"


@pytest.fixture
def monitor(toy_model, monkeypatch) -> Monitor:
    monkeypatch.setattr(
        "robustseg.deploy.health.monitor.statistics_of", lambda encoding, *rest: encoding.image[0, 0, 0]
    )
    return Monitor({"rgb": Told()}, toy_model.card.modalities)


def judged(
    monitor: Monitor, predictor: Predictor, values: list[float], modality: str = "rgb"
) -> list[tuple[bool, bool, str]]:
    verdicts = []
    for stamp, value in enumerate(values):
        image = torch.full((3, 32, 32), float(value))
        verdict = monitor.judge(modality, predictor.encode(modality, image.movedim(0, -1)), stamp=stamp / 10)
        verdicts.append((verdict.sick, verdict.doubtful, verdict.reason))
    return verdicts


def test_a_sensor_is_left_out_and_used_again_after_patience(monitor, toy_model) -> None:
    found = judged(monitor, Predictor(toy_model), [1, 10, 2, 11, 12, 13, 3, 4, 6, 2])
    assert PATIENCE == 2
    assert [sick for sick, _, _ in found] == [False, False, False, False, True, True, True, False, False, False]
    assert [doubtful for _, doubtful, _ in found] == [False, True, False, True, True, True, True, False, True, False]
    assert [reason for *_, reason in found] == ["", "10", "", "11", "12", "13", "sick a moment ago", "", "6", ""]


def test_an_image_that_is_repeated_is_as_old_as_its_first_showing(monitor, toy_model) -> None:
    """At 10 Hz the third repetition is 0.3 s old; the next new image is as good as any."""
    predictor = Predictor(toy_model)
    found = judged(monitor, predictor, [1, 2, 2, 2, 2, 3, 3])
    assert [sick for sick, _, _ in found] == [False] * 4 + [True, False, False]
    assert [doubtful for _, doubtful, _ in found] == [False, False, True, True, True, False, True]
    assert [reason for *_, reason in found[2:5]] == ["repeated for 0.10 s", "repeated for 0.20 s", "frozen for 0.30 s"]
    assert judged(monitor, predictor, [7] * 4, "lidar")[3] == (True, True, "frozen for 0.30 s")


def test_the_same_stamp_is_no_repetition_and_no_further_evidence(monitor, toy_model) -> None:
    predictor, image = Predictor(toy_model), torch.full((3, 32, 32), 10.0)
    encoding = predictor.encode("rgb", image.movedim(0, -1))
    verdicts = [monitor.judge("rgb", encoding, stamp=5.0) for _ in range(4)]
    assert not any(verdict.sick for verdict in verdicts)
    assert monitor.judge("rgb", encoding, stamp=4.0).reason == "10"
    monitor.reset()
    assert not monitor.judge("rgb", encoding, stamp=6.0).sick


def test_patience_is_a_number_of_images(toy_model) -> None:
    for wrong in ({"patience": 0}, {"held": -1.0}):
        with pytest.raises(ValueError, match="at least 1 image and held at least 0 seconds"):
            Monitor({}, toy_model.card.modalities, **wrong)


def test_a_tiled_frame_is_not_said_to_be_well(monitor, toy_model) -> None:
    predictor = Predictor(toy_model, memory=bytes_needed(toy_model.card, 128 * 128))
    encoding = predictor.encode("rgb", torch.full((160, 300, 3), 1.0))
    assert not encoding.maps
    verdict = monitor.judge("rgb", encoding, stamp=0.0)
    assert (verdict.sick, verdict.doubtful) == (False, True)
    assert verdict.reason.startswith("too large to be judged")


def test_the_monitor_of_a_folder(toy_model, toy_frames, tmp_path) -> None:
    card = save_model(tmp_path, toy_model, toy_model.card)
    with pytest.raises(FileNotFoundError, match="run robustseg health"):
        Monitor.of(str(tmp_path))
    profiles = learn_health(Predictor(toy_model), toy_frames(number=3), limit=3).profiles()
    save_profiles(tmp_path, profiles, card.sha256)
    monitor = Monitor.of(str(tmp_path), held=2.0)
    assert list(monitor.profiles) == ["rgb", "depth", "lidar"]
    assert (monitor.patience, monitor.held) == (PATIENCE, 2.0)
