"""`robustseg benchmark` on a tiny model folder, and what it answers to bad input."""

import csv
import json

import pytest
import torch

from robustseg.benchmark import Settings, measure
from robustseg.benchmark.settings import processors
from robustseg.build import load
from robustseg.cli import main
from robustseg.models.card import read_card
from robustseg.robustness.storage import save

QUICK = ["--runs", "2", "--threads", "1", "--device", "cpu"]


def test_every_set_of_sensors(folder, made, capsys):
    save(made(weights=read_card(folder).sha256), folder / "evaluation" / "val")
    assert main(["benchmark", str(folder), "--size", "64x96", *QUICK]) == 0
    said = capsys.readouterr().out
    assert "one sensor off" in said
    assert "rgb+depth+lidar" in said
    stem = folder / "benchmark" / "64x96_batch1_fp32_1thread"
    about = json.loads(stem.with_name(f"{stem.name}.json").read_text())
    evaluation = made()
    assert {entry["name"]: entry["miou"] for entry in about["sets"]} == pytest.approx(
        dict(zip(evaluation.names, evaluation.miou().tolist(), strict=True))
    )
    times = [*(entry["milliseconds"] for entry in about["sets"]), *about["parts"].values()]
    assert all(len(entry["runs"]) == 2 for entry in times)
    assert about["parameters"] == sum(parameter.numel() for parameter in load(folder).parameters())
    assert len(list(csv.reader(stem.with_name(f"{stem.name}.csv").open()))) == 8
    assert stem.with_name(f"{stem.name}.png").stat().st_size > 10_000


def test_sensors_of_several_modalities(polarised):
    found = measure(polarised, Settings((32, 32), runs=1, threads=1))
    assert [(row.sensors.name, row.sensors.size) for row in found.rows] == [("c", 2), ("d", 1), ("c+d", 3)]
    assert found.rows[0].gmac > found.rows[1].gmac


def test_without_an_evaluation_it_says_so(folder, tmp_path, capsys):
    assert main(["benchmark", str(folder), *QUICK, f"--out={tmp_path / 'there'}"]) == 0
    assert "no quality beside the times" in capsys.readouterr().out
    assert {path.suffix for path in (tmp_path / "there").iterdir()} == {".json", ".csv", ".md", ".png"}
    assert not (folder / "benchmark").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--size", "16x16"], "16x16"),
        (["--size", "wide"], "512x1024"),
        (["--threads", str(processors() + 1)], "--threads"),
        (["--device", "abacus"], "no device 'abacus'"),
        (["--precision", "fp7"], "--precision"),
        (["--runs", "0"], "--runs"),
        (["--split", "val"], "holds no evaluation"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, flags, said):
    assert main(["benchmark", str(folder), *flags]) == 1
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error


def test_no_such_model(tmp_path, capsys):
    assert main(["benchmark", str(tmp_path / "none")]) == 1
    assert "is no model folder" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu(folder):
    found = measure(folder, Settings((64, 64), runs=2, device="cuda"))
    assert "allocated on the GPU" in found.memory.how
    assert found.memory.peak > found.memory.predicting > 0
    assert found.machine.processor == torch.cuda.get_device_name()
    assert found.stem == "64x64_batch1_fp32_cuda"
