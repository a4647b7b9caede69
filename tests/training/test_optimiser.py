import torch
from torch import nn

from robustseg.build import build_model
from robustseg.recipe import Model, Schedule
from robustseg.training.optimiser import adamw, learning_rate, moving_average, set_learning_rate


def test_one_dimensional_parameters_do_not_decay():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    optimizer = adamw(model, Schedule(weight_decay=0.5))
    decays = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert decays == {id(p): 0.5 if p.ndim > 1 else 0.0 for p in model.parameters()}


def test_what_is_private_decays_as_what_is_shared():
    decays = []
    for private in ((), ("patch", "norm")):
        model = build_model(Model(width=8, private=private), 3, 2, seed=0)
        optimizer = adamw(model, Schedule(weight_decay=0.5))
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        decays.append([[names[id(p)] for p in group["params"]] for group in optimizer.param_groups])
    assert decays[0] == decays[1]


def test_learning_rate_against_a_loop():
    schedule = Schedule(epochs=5, lr=2.0, warmup_epochs=1.5, warmup_ratio=0.2, power=0.9)
    rates = [learning_rate(step, 4, schedule) for step in range(20)]
    for step, rate in enumerate(rates):
        expected = 2.0 * (0.2 + 0.8 * step / 6) if step < 6 else 2.0 * (1 - (step - 6) / 14) ** 0.9
        assert abs(rate - expected) < 1e-12
    optimizer = adamw(nn.Linear(2, 2), schedule)
    set_learning_rate(optimizer, 0.25)
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}


def test_no_warm_up_starts_at_the_peak():
    assert learning_rate(0, 10, Schedule(lr=3.0, warmup_epochs=0)) == 3.0


def test_moving_average_is_the_textbook_one():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(1.0)
    average = moving_average(model, 0.9)
    assert average is not None
    expected = None
    for value in (2.0, 4.0, 8.0):
        with torch.no_grad():
            model.weight.fill_(value)
        average.update_parameters(model)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    torch.testing.assert_close(next(average.module.parameters()).item(), expected)
    assert moving_average(model, 0.0) is None
