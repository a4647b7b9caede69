import pytest
import torch

from robustseg.benchmark.settings import Settings, parse_size, processors, thread_count


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": (16, 64)}, "16x64"),
        ({"size": (64, 99999)}, "32..16384"),
        ({"batch": 0}, "--batch"),
        ({"runs": 0}, "--runs"),
        ({"threads": -1}, "--threads"),
        ({"threads": processors() + 1}, f"1..{processors()}"),
        ({"precision": "fp7"}, "'fp7'"),
    ],
)
def test_bad_values_are_named(options, said):
    with pytest.raises(ValueError, match=said):
        Settings(**{"size": (64, 96)} | options)


@pytest.mark.parametrize("text", ["", "512", "512x", "axb", "512x1024x3", "-4x5", "9999999x4"])
def test_sizes_that_are_none(text):
    with pytest.raises(ValueError, match="512x1024"):
        parse_size(text)


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with thread_count(1) as threads:
        assert threads == torch.get_num_threads() == 1
    with pytest.raises(RuntimeError), thread_count(1):
        raise RuntimeError
    with thread_count(0) as threads:
        assert threads == before
    assert torch.get_num_threads() == before
