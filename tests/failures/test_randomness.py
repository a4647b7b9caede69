import hashlib

import torch

from robustseg.failures import generator_for


def first(*key: object) -> list[float]:
    seed, *words = key
    assert isinstance(seed, int)
    return torch.rand(3, generator=generator_for(seed, *map(str, words))).tolist()


def test_the_state_is_the_documented_hash() -> None:
    told = b"\0\0\0\0\0\0\0\x017" + b"\0\0\0\0\0\0\0\x02ab" + b"\0\0\0\0\0\0\0\x03\xc3\xa9c"
    state = int.from_bytes(hashlib.sha256(told).digest()[:8], "big")
    assert generator_for(7, "ab", "éc").initial_seed() == state


def test_every_part_of_the_key_counts() -> None:
    keys = [(0,), (1,), (0, "a"), (0, "ab", "c"), (0, "a", "bc"), (0, "c", "ab"), (0, "abc"), (0, "", "abc"), (-1,)]
    assert len({tuple(first(*key)) for key in keys}) == len(keys)


def test_the_same_key_gives_the_same_numbers_and_touches_no_global_state() -> None:
    before = torch.random.get_rng_state()
    assert first(3, "frame", "rgb") == first(3, "frame", "rgb")
    assert torch.equal(torch.random.get_rng_state(), before)
