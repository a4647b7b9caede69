"""The scripts that measure precisions: int8 layers by hand, tables, and no GPU."""

import sys

import torch
from torch import nn

from robustseg.build import build_model
from robustseg.recipe import Model


def test_int8_layers_are_those_of_rounded_numbers(script) -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(160, 24), torch.randn(2, 5, 7, 160) + 0.3
    layer = script("precision").Int8Linear(linear)
    with torch.inference_mode():
        got = layer(x)
        scale = linear.weight.abs().amax(dim=1, keepdim=True) / 127
        weight = (linear.weight / scale).round() * scale
        step = (x.max() - x.min()) / 255
        zero = (-x.min() / step).round()
        rounded = ((x / step).round() + zero).clamp(0, 255)
        wanted = nn.functional.linear((rounded - zero) * step, weight, linear.bias)
    assert torch.allclose(got, wanted, atol=0.02)
    assert layer(x.bfloat16()).dtype == torch.bfloat16


def test_variants_are_the_model_but_for_rounding(script) -> None:
    precision = script("precision")
    model = build_model(Model(width=32), 5, 4, seed=0).eval()
    images = torch.randn(1, 4, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = model(images).logits
        for name in precision.PRECISIONS:
            got = precision.variant(model, name)(images).logits
            assert 0 < float((got - wanted).norm() / wanted.norm()) < 0.05


def test_without_a_gpu_one_line_says_so(script, monkeypatch, capsys, tmp_path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--out", str(tmp_path / "gpu.json")])
    script("gpu").main()
    assert "no GPU here" in capsys.readouterr().out
    assert not any(tmp_path.iterdir())


def test_the_gpu_scripts_step_moves_all_that_learns(script) -> None:
    gpu = script("gpu")
    student, teacher = (build_model(Model(width=32), gpu.CLASSES, 4, seed=seed) for seed in (0, 1))
    before = {name: parameter.detach().clone() for name, parameter in student.named_parameters()}
    images = torch.randn(2, 4, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, gpu.CLASSES, (2, 64, 96), generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, False, True, False], [False, True, True, True]])
    gpu.student_step(student.train(), teacher.eval(), images, labels, present, False)()
    still = [name for name, parameter in student.named_parameters() if torch.equal(parameter, before[name])]
    assert all(name.startswith("decoder.linears") and name.endswith("bias") for name in still)  # BatchNorm undoes them


def test_ratios_are_to_the_same_work_in_fp32(script) -> None:
    gpu = script("gpu")
    rows = [gpu.row("mit_b0", "4 of 4", 512, 1, name, (ms, 0.5)) for name, ms in (("fp32", 8.0), ("bf16", 4.0))]
    assert [line.split("|")[7].strip() for line in gpu.table(rows)[2:]] == ["1.00", "2.00"]


def test_compiled_rows_read_the_same_way(script) -> None:
    compiling = script("compile")
    row = dict.fromkeys(compiling.COLUMNS, 1)
    assert compiling.table([row])[-1].count("|") == compiling.table([])[0].count("|")
