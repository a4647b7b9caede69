import pytest
import torch
from torch.nn import functional as F

from robustseg.distill.prediction import STAGES, Predictors, prediction

WIDTHS = (7, 5, 4)


@pytest.fixture
def arguments(case):
    """Fused maps of three stages; the teacher's are the case's two and an earlier one that nothing reads."""
    draw = torch.Generator().manual_seed(0)
    shapes = [(3, 7, 8, 12), (3, 5, 4, 6), (3, 4, 2, 3)]
    fused = [torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_() for shape in shapes]
    never_read = torch.full((3, 3, 7, 8, 12), torch.nan, dtype=torch.float64)
    return {
        "fused": fused,
        "teacher": [never_read, *case.teacher],
        "present": torch.tensor([[True, False, False], [False, True, False], [False, True, True]]),
        "teacher_present": case.teacher_present,
    }


@pytest.fixture
def predictors() -> Predictors:
    return Predictors(WIDTHS, 3, torch.Generator().manual_seed(1)).double()


def test_equals_a_loop(predictors, arguments):
    total = 0.0
    fused, teacher = arguments["fused"][-STAGES:], arguments["teacher"][-STAGES:]
    for layer, own, other in zip(predictors.layers, fused, teacher, strict=True):
        width = own.shape[1]
        for n in range(3):
            values = []
            for m in torch.nonzero(arguments["teacher_present"][n] & ~arguments["present"][n]).flatten().tolist():
                chosen = slice(m * width, (m + 1) * width)
                kernel, bias = layer.weight[chosen, :, None, None], layer.bias[chosen]
                guess = F.conv2d(own[n : n + 1], kernel, bias)[0]
                values.append((1 - F.cosine_similarity(guess, other[n, m], dim=0)).mean().item())
            total += sum(values) / max(len(values), 1) / 3 / STAGES
    assert prediction(predictors, **arguments).item() == pytest.approx(total, rel=1e-10)


def test_gradient_reaches_student_and_predictors_only(predictors, arguments):
    prediction(predictors, **arguments).backward()
    assert all(parameter.grad.norm() > 0 for parameter in predictors.parameters())
    assert arguments["fused"][0].grad is None
    lacking = (arguments["teacher_present"] & ~arguments["present"]).any(1)
    for own in arguments["fused"][-STAGES:]:
        assert ((own.grad.flatten(1).norm(dim=1) > 0) == lacking).all()
    assert all(maps.grad is None for maps in arguments["teacher"])


def test_gradcheck(predictors, arguments):
    fused = arguments.pop("fused")
    assert torch.autograd.gradcheck(
        lambda *maps: prediction(predictors, fused=[fused[0], *maps], **arguments), fused[1:], fast_mode=True
    )


def test_nothing_lacking_is_a_differentiable_zero(predictors, arguments):
    arguments["present"] = arguments["teacher_present"]
    loss = prediction(predictors, **arguments)
    loss.backward()
    assert loss.item() == 0
    assert all((parameter.grad == 0).all() for parameter in predictors.parameters())  # data parallelism waits for all


def test_starting_weights_are_the_generator_s():
    first, second, other = (Predictors(WIDTHS, 3, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.layers[0].weight, second.layers[0].weight)
    assert not torch.equal(first.layers[0].weight, other.layers[0].weight)


def test_it_can_be_learnt(predictors, arguments):
    optimizer = torch.optim.Adam(predictors.parameters(), lr=0.05)
    first = prediction(predictors, **arguments).item()
    for _ in range(30):
        optimizer.zero_grad()
        prediction(predictors, **arguments).backward()
        optimizer.step()
    assert prediction(predictors, **arguments).item() < 0.8 * first


def test_float32_under_autocast(predictors, arguments):
    predictors.float()
    arguments |= {side: [maps.detach().float() for maps in arguments[side]] for side in ("fused", "teacher")}
    with torch.autocast("cpu", torch.bfloat16):
        loss = prediction(predictors, **arguments)
    torch.testing.assert_close(loss, prediction(predictors, **arguments), rtol=0, atol=0)
