import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError
from torch import Tensor

from robustseg.distill import ohem_cross_entropy


def naive(
    logits: Tensor, labels: Tensor, threshold: float, min_kept: float, weights: tuple[float, ...] = (1.0,) * 4
) -> float:
    losses = []  # (loss, weight)
    for n in range(labels.shape[0]):
        for row in range(labels.shape[1]):
            for column in range(labels.shape[2]):
                label = int(labels[n, row, column])
                if label != 255:
                    scores = [math.exp(value) for value in logits[n, :, row, column].tolist()]
                    losses.append((-math.log(scores[label] / sum(scores)), weights[label]))
    hard = [pair for pair in losses if pair[0] > -math.log(threshold)]
    least = max(1, int(min_kept * len(losses)))
    kept = hard if len(hard) >= least else sorted(losses)[-least:]
    total = sum(weight for _, weight in kept)
    return sum(loss * weight for loss, weight in kept) / total if total else 0.0


def random_pixels(seed: int, sharpness: float) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (2, 5, 6), generator=draw)
    logits = torch.randn(2, 4, 5, 6, generator=draw, dtype=torch.float64)
    logits = logits + sharpness * torch.nn.functional.one_hot(labels, 4).movedim(3, 1)
    labels[torch.rand(labels.shape, generator=draw) < 0.2] = 255
    return logits, labels


@given(
    seed=st.integers(0, 1000),
    sharpness=st.sampled_from([0.0, 2.0, 9.0]),
    threshold=st.sampled_from([0.3, 0.7, 1.0]),
    min_kept=st.sampled_from([0.0, 1 / 16, 0.5, 1.0]),
)
@settings(max_examples=40, deadline=None)
def test_equals_a_naive_loop(seed, sharpness, threshold, min_kept):
    logits, labels = random_pixels(seed, sharpness)
    loss = ohem_cross_entropy(logits, labels, threshold=threshold, min_kept=min_kept)
    assert loss.item() == pytest.approx(naive(logits, labels, threshold, min_kept), rel=1e-12)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0, 1.0), (0.2, 5.0, 1.0, 30.0), (0.0, 2.0, 0.0, 1.0)])
@pytest.mark.parametrize(("sharpness", "threshold", "min_kept"), [(0.0, 0.7, 1 / 16), (9.0, 0.7, 0.5), (9.0, 0.7, 0)])
def test_weighted_equals_a_naive_loop(weights, sharpness, threshold, min_kept):
    logits, labels = random_pixels(5, sharpness)
    loss = ohem_cross_entropy(
        logits, labels, threshold=threshold, min_kept=min_kept, class_weights=torch.tensor(weights)
    )
    assert loss.item() == pytest.approx(naive(logits, labels, threshold, min_kept, weights), rel=1e-6)


def test_weights_do_not_choose_the_pixels():
    logits = torch.tensor([[0.0, 0.0, 3.0], [0.0, 1.0, 0.0]], dtype=torch.float64)[None, :, None]  # 1 K=2 1 W=3
    labels = torch.tensor([[[0, 0, 0]]])
    likely = [0.5, 1 / (1 + math.e), 1 / (1 + math.exp(-3))]  # the last one is not hard
    losses = [-math.log(value) for value in likely]
    weighted = ohem_cross_entropy(logits, labels, class_weights=torch.tensor([1e6, 1.0]))
    assert weighted.item() == pytest.approx((losses[0] + losses[1]) / 2)
    labels[0, 0, 1] = 1  # its loss is now small: one pixel is hard
    assert ohem_cross_entropy(logits, labels, class_weights=torch.tensor([0.1, 1e6])).item() == pytest.approx(losses[0])


def test_weighted_gradient_is_right_and_nothing_is_a_differentiable_zero():
    logits, labels = random_pixels(3, 0.0)
    logits.requires_grad_()
    weights = torch.tensor([0.2, 5.0, 0.0, 1.0])
    assert torch.autograd.gradcheck(lambda x: ohem_cross_entropy(x, labels, class_weights=weights), logits)
    for label in (255, 2):  # nothing valid; nothing with a weight
        loss = ohem_cross_entropy(logits, torch.full_like(labels, label), class_weights=weights)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.item() == 0
        assert (gradient == 0).all()


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [1.0, -1.0, 1.0, 1.0], [1.0, torch.nan, 1.0, 1.0]])
def test_weights_that_do_not_fit(weights):
    logits, labels = random_pixels(0, 0.0)
    with pytest.raises((ValueError, TypeCheckError)):
        ohem_cross_entropy(logits, labels, class_weights=torch.tensor(weights))


def test_equals_the_released_loss(reference, reference_logits):
    logits, _, labels = reference_logits
    assert ohem_cross_entropy(logits, labels).item() == pytest.approx(float(reference["ohem_ce"]), rel=1e-6)


@pytest.mark.parametrize("sharpness", [0.0, 12.0])
def test_gradient_is_right_and_only_where_labels_are(sharpness):
    logits, labels = random_pixels(3, sharpness)  # with sharpness 12 no pixel is hard
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ohem_cross_entropy(x, labels, min_kept=0.25), logits)
    (gradient,) = torch.autograd.grad(ohem_cross_entropy(logits, labels), logits)
    assert (gradient.movedim(1, 3)[labels == 255] == 0).all()


def test_nothing_valid_is_a_differentiable_zero():
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = ohem_cross_entropy(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_float32_under_autocast():
    logits, labels = random_pixels(0, 1.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert ohem_cross_entropy(logits.bfloat16(), labels).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"threshold": 0.0}, "threshold"), ({"threshold": 1.5}, "1.5"), ({"min_kept": -0.1}, "min_kept")],
)
def test_numbers_out_of_range(arguments, words):
    logits, labels = random_pixels(0, 0.0)
    with pytest.raises(ValueError, match=words):
        ohem_cross_entropy(logits, labels, **arguments)


@pytest.mark.parametrize("label", [4, 254, -1])
def test_a_label_that_is_no_class(label):
    logits, labels = random_pixels(0, 0.0)
    labels[0, 0, 0] = label
    with pytest.raises(ValueError, match=f"label {label} is not"):
        ohem_cross_entropy(logits, labels)


def test_labels_of_another_size():
    logits, labels = random_pixels(0, 0.0)
    with pytest.raises((ValueError, TypeCheckError)):
        ohem_cross_entropy(logits, labels[:, :4])


@pytest.mark.parametrize("class_weights", [None, (0.2, 5.0, 0.0, 1.0)])
@pytest.mark.parametrize(("sharpness", "min_kept"), [(0.0, 1 / 16), (9.0, 0.5)])
def test_coarse_logits_are_upsampled_first(sharpness, min_kept, class_weights):
    logits, _ = random_pixels(2, sharpness)
    labels = torch.randint(0, 4, (2, 15, 13), generator=torch.Generator().manual_seed(1))
    labels[:, :4] = 255
    weights = None if class_weights is None else torch.tensor(class_weights)
    arguments = {"labels": labels, "min_kept": min_kept, "class_weights": weights}
    whole = torch.nn.functional.interpolate(logits, size=(15, 13), mode="bilinear", align_corners=False)
    expected = ohem_cross_entropy(whole, **arguments)
    assert ohem_cross_entropy(logits, **arguments).item() == pytest.approx(expected.item(), rel=1e-12)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ohem_cross_entropy(x, **arguments), logits)
