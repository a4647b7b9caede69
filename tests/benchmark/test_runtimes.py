from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from robustseg.benchmark import runtimes


@pytest.fixture
def exports(monkeypatch, toy_model):
    """An export that counts what it is asked."""
    asked = []
    manifest = SimpleNamespace(weights=toy_model.card.sha256, format="onnx", form="split", precision="fp32")
    monkeypatch.setattr(runtimes, "read_manifest", lambda _: manifest)
    monkeypatch.setattr(runtimes, "open_export", lambda _: lambda _, present: asked.append(int(present.sum())))
    return asked


def test_every_number_of_modalities_is_measured_in_turns(toy_model, exports) -> None:
    table = runtimes.runtimes_table(toy_model, [Path("out")], runs=2)
    assert table.head == ("modalities", "torch", "onnx split fp32")
    assert [row[0] for row in table.rows] == ["1", "2", "3"]
    assert all(row[1] > 0 and row[2] >= 0 for row in table.rows)
    assert exports == [1, 2, 3] * (2 + 3)  # three rounds warm up
    assert "32x48, median of 2 runs" in table.caption


def test_another_models_export_is_refused(toy_model, exports, monkeypatch) -> None:
    monkeypatch.setattr(toy_model, "card", replace(toy_model.card, sha256="1" * 64))
    with pytest.raises(ValueError, match="out is an export of another model"):
        runtimes.runtimes_table(toy_model, [Path("out")])


def test_runs_are_counted(toy_model) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        runtimes.runtimes_table(toy_model, [], runs=0)
