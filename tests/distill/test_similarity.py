import math

import pytest
import torch
from torch.nn import functional as F

from robustseg.distill.similarity import dominant, similarity

SAMPLE = torch.tensor([0, 0, 0, 2, 2, 3])


def rows(seed: int) -> torch.Tensor:
    return torch.randn(6, 3, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def naive_similarity(maps: torch.Tensor, sample: torch.Tensor) -> list[float]:
    values = []
    for row, n in zip(maps, sample, strict=True):
        mean = maps[sample == n].mean(0).flatten(0, 1)
        pixels = [F.cosine_similarity(a, b, dim=0).item() for a, b in zip(row.flatten(0, 1), mean, strict=True)]
        values.append(sum(pixels) / len(pixels))
    return values


@pytest.mark.parametrize("seed", range(3))
def test_similarity_equals_a_loop(seed):
    maps = rows(seed).requires_grad_()
    value = similarity(maps, SAMPLE)
    assert value.tolist() == pytest.approx(naive_similarity(maps.detach(), SAMPLE), rel=1e-10)
    assert not value.requires_grad
    assert value[5].item() == pytest.approx(1)  # alone, a modality is the mean


@pytest.mark.parametrize("seed", range(5))
def test_dominant_equals_sorting(seed):
    scores = torch.randint(0, 3, (6,), generator=torch.Generator().manual_seed(seed)).double()  # with ties
    expected = [False] * 6
    for n in set(SAMPLE.tolist()):
        places = sorted((-scores[i].item(), i) for i in range(6) if SAMPLE[i] == n)
        for _, i in places[: math.ceil(len(places) / 2)]:
            expected[i] = True
    assert dominant(scores, SAMPLE).tolist() == expected
