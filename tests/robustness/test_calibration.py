import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from robustseg.robustness import calibration
from robustseg.robustness.calibration import (
    BINS,
    area_under_risk_coverage,
    confidence_counts,
    coverage_at_risk,
    expected_calibration_error,
    most_likely,
    probabilities,
    reliability,
    risk_coverage,
    temperature_of,
)


def counts_of(bins: dict[int, tuple[int, int, float]]) -> torch.Tensor:
    """Counts by hand: bin -> pixels, correct pixels, mean confidence."""
    counts = torch.zeros(BINS, 3)
    for place, (pixels, right, confidence) in bins.items():
        counts[place] = torch.tensor([pixels, right, pixels * confidence])
    return counts


TWO_BINS = counts_of({149: (60, 57, 0.999), 89: (40, 20, 0.596)})


@pytest.mark.parametrize("strip", [1, 2**18])
def test_counts_against_a_loop_over_pixels(monkeypatch, strip: int) -> None:
    monkeypatch.setattr("robustseg.models.upsampling.STRIP", strip)
    draw = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(2, 5, 7, 9, generator=draw)
    labels = torch.randint(0, 5, (2, 7, 9), generator=draw)
    labels[0, :3] = 255
    temperature = torch.tensor([0.5, 2.0])
    expected = torch.zeros(2, BINS, 3)
    for b in range(2):
        for y in range(7):
            for x in range(9):
                if labels[b, y, x] != 255:
                    chances = (logits[b, :, y, x] / temperature[b]).softmax(dim=0)
                    place = min(int(chances.max() * BINS), BINS - 1)
                    right = float(chances.argmax() == labels[b, y, x])
                    expected[b, place] += torch.tensor([1, right, chances.max().item()])
    found = confidence_counts(logits, labels, temperature)
    assert found[..., :2].equal(expected[..., :2])
    torch.testing.assert_close(found[..., 2], expected[..., 2])
    assert confidence_counts(logits, labels, 2.0)[1].equal(found[1])  # nor does it matter what else is in the batch
    assert confidence_counts(logits.bfloat16(), labels, 2.0).sum(dim=1)[..., 0].tolist() == [36, 63]


@pytest.mark.parametrize(("size", "strip"), [(None, 2**20), ((16, 24), 1), ((15, 22), 50), ((3, 4), 7)])
def test_the_probabilities_are_the_softmax(monkeypatch, size, strip: int) -> None:
    monkeypatch.setattr(calibration, "STRIP", strip)
    logits = 4 * torch.randn(2, 5, 4, 6, generator=torch.Generator().manual_seed(0))
    before, temperature = logits.clone(), torch.tensor([0.5, 2.0])
    found = probabilities(logits, temperature, size=size)
    large = torch.nn.functional.interpolate(logits, size=size or (4, 6), mode="bilinear")
    torch.testing.assert_close(found, (large / temperature[:, None, None, None]).softmax(dim=1))
    assert logits.equal(before)
    assert probabilities(logits.bfloat16()).dtype == torch.float32


class Sizes(TorchDispatchMode):
    """The numbers of bytes of all memory that is taken meanwhile, by where it is."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: dict[int, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            storage = result.untyped_storage()
            self.taken[storage.data_ptr()] = max(self.taken.get(storage.data_ptr(), 0), storage.nbytes())
        return result


@pytest.mark.parametrize("size", [(64, 96), (61, 93)])
def test_the_probabilities_are_the_only_large_array(monkeypatch, size) -> None:
    monkeypatch.setattr(calibration, "STRIP", 2**12)
    logits = torch.randn(1, 50, 16, 24)
    with Sizes() as sizes:
        probabilities(logits, 2.0, size=size)
    array = 4 * 50 * size[0] * size[1]
    assert sorted(sizes.taken.values())[-1] == array
    assert sorted(sizes.taken.values())[-2] < array / 20


def test_the_most_likely_class_is_the_same_at_any_temperature() -> None:
    logits = torch.randn(2, 6, 40, 30, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for temperature in (0.2, 1.0, 5.0):
        confidence, classes = most_likely(logits, temperature)
        assert classes.equal(logits.argmax(dim=1))
        torch.testing.assert_close(confidence, (logits.detach() / temperature).softmax(dim=1).amax(dim=1))
        assert not confidence.requires_grad


def test_a_certain_pixel_is_in_the_last_bin_and_an_empty_frame_in_none() -> None:
    logits = torch.tensor([200.0, -200.0]).view(1, 2, 1, 1).expand(2, 2, 3, 4)
    labels = torch.zeros(2, 3, 4, dtype=torch.int64)
    labels[1] = 255
    counts = confidence_counts(logits, labels)
    assert counts[0, -1].tolist() == [12, 12, 12]
    assert counts[:, :-1].sum() == counts[1].sum() == 0
    assert expected_calibration_error(counts)[0] == area_under_risk_coverage(counts)[0] == 0
    assert expected_calibration_error(counts)[1].isnan()
    assert area_under_risk_coverage(counts)[1].isnan()
    assert coverage_at_risk(counts, 1.0)[1].isnan()


def test_logits_that_are_not_finite_are_refused() -> None:
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 0, 1, 1] = torch.nan
    with pytest.raises(ValueError, match="not finite"):
        confidence_counts(logits, torch.zeros(1, 2, 2, dtype=torch.int64))


def test_a_million_pixels_are_added_exactly() -> None:
    logits = torch.tensor([6.5, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1024, 2048)  # a float32 sum is off by a thousandth
    counts = confidence_counts(logits, torch.zeros(1, 1024, 2048, dtype=torch.int64))
    sure = torch.tensor(6.5, dtype=torch.float64).sigmoid().item()
    assert counts[0, -1, 2].item() / 2**21 == pytest.approx(sure, rel=2e-7)


def test_calibration_error_by_hand() -> None:
    # 0.6 * |0.95 - 0.999| + 0.4 * |0.5 - 0.596|
    assert expected_calibration_error(TWO_BINS).item() == pytest.approx(2.94 + 3.84, rel=1e-5)
    both = torch.stack([TWO_BINS, 3 * TWO_BINS])
    assert expected_calibration_error(both).tolist() == pytest.approx([6.78, 6.78], rel=1e-5)
    assert expected_calibration_error(TWO_BINS, bins=1).item() == pytest.approx(100 * (0.8378 - 0.77), rel=1e-5)
    with pytest.raises(ValueError, match="150 counted bins cannot be divided into 7"):
        expected_calibration_error(TWO_BINS, bins=7)


def test_reliability_by_hand() -> None:
    curve = reliability(TWO_BINS)
    assert curve.share[[8, 14]].tolist() == pytest.approx([40, 60])  # bin 89 of 150 is in the ninth of fifteen
    assert curve.accuracy[[8, 14]].tolist() == pytest.approx([50, 95])
    assert curve.confidence[[8, 14]].tolist() == pytest.approx([59.6, 99.9], rel=1e-5)
    assert curve.accuracy.isnan().sum() == 13


def test_risk_and_coverage_by_hand() -> None:
    coverage, risk = risk_coverage(TWO_BINS)
    assert (coverage[0].item(), coverage[-1].item()) == pytest.approx((60, 100))
    assert (risk[0].item(), risk[-1].item()) == pytest.approx((5, 23))
    # 0.05 * 0.6, then the integral of (0.03 + (c - 0.6) / 2) / c from 0.6 to 1
    area = 0.05 * 0.6 + 0.5 * 0.4 + (0.03 - 0.3) * torch.tensor(1 / 0.6).log().item()
    assert area_under_risk_coverage(TWO_BINS).item() == pytest.approx(100 * area, rel=1e-6)
    assert [coverage_at_risk(TWO_BINS, risk).item() for risk in (4.0, 5.5, 23.5)] == pytest.approx([0, 60, 100])


def test_area_against_a_loop_over_ranked_pixels() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(1, 4, 100, 100, generator=draw)
    labels = torch.where(
        torch.rand(1, 100, 100, generator=draw) < 0.7,
        logits.argmax(dim=1),
        torch.randint(0, 4, (1, 100, 100), generator=draw),
    )
    confidence, classes = (x.flatten() for x in most_likely(logits))
    wrong = (classes != labels.flatten())[confidence.argsort(descending=True)].tolist()
    risks, errors = [], 0
    for place, error in enumerate(wrong):
        errors += error
        risks.append(errors / (place + 1))
    area = 100 * sum(risks) / len(risks)
    assert area_under_risk_coverage(confidence_counts(logits, labels)).item() == pytest.approx(area, rel=0.02)


def test_each_sample_gets_its_own_temperature() -> None:
    present = torch.tensor([[True, True, True], [False, False, False], [False, True, False]])
    assert temperature_of((3.0, 2.0, 1.5), present).tolist() == [1.5, 1.0, 3.0]
    assert temperature_of((), present).tolist() == [1.0, 1.0, 1.0]
