import pytest
import torch

from robustseg.benchmark import memory
from robustseg.benchmark.memory import held, peak_memory
from robustseg.benchmark.settings import Settings

LINUX = pytest.mark.skipif(not memory.STATUS.is_file(), reason="needs /proc")


@LINUX
def test_a_fresh_process_tells_its_peak(folder):
    small, large = (peak_memory(folder, Settings((side, side), threads=1)) for side in (64, 512))
    assert "fresh process" in small.how
    assert small.peak > small.predicting > 0
    assert large.predicting > small.predicting + 3 * 3 * 4 * 512 * 512 / 1e6 / 4


@LINUX
def test_what_was_held_and_given_back_counts_in_the_peak():
    memory.forget_peak(torch.device("cpu"))
    before, _ = held(torch.device("cpu"))
    torch.ones(50_000_000)  # 200 MB
    after, peak = held(torch.device("cpu"))
    assert peak - before > 190
    assert after - before < 100


def test_elsewhere_it_is_not_known(folder, monkeypatch, tmp_path, toy_model):
    monkeypatch.setattr(memory, "STATUS", tmp_path / "none")
    found = memory._measured(toy_model, Settings((32, 32)))
    assert (found.peak, found.predicting) == (None, None)
    assert "not known" in found.how


def test_a_failed_process_is_one_line(tmp_path):
    with pytest.raises(ValueError, match=r"measures memory failed: FileNotFoundError: .* is no model folder"):
        peak_memory(tmp_path, Settings((32, 32)))


def test_a_killed_process_is_one_line(folder, monkeypatch):
    monkeypatch.setattr(memory, "START", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ValueError, match="lower --size"):
        peak_memory(folder, Settings((32, 32)))
