import pytest
import torch
from torch import Generator, Tensor

from robustseg.models.fusion import Encoded, even_mean, in_order, masked_mean, rows_to_fuse

PRESENT = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])


@pytest.fixture
def rows() -> Tensor:
    return torch.randn(6, 2, 3, 4, dtype=torch.float64, generator=Generator().manual_seed(0))


def naive_mean(rows: Tensor, sample: Tensor, modality: Tensor, present: Tensor) -> Tensor:
    means = []
    for b in range(len(present)):
        live = [row for row, s, m in zip(rows, sample, modality, strict=True) if s == b and present[b, m]]
        means.append(sum(live) / len(live))
    return torch.stack(means)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [4, 2, 0, 5, 1, 3]])
def test_mean_equals_a_loop_whatever_the_order_of_rows(rows: Tensor, order: list[int]) -> None:
    sample, modality = (part[order] for part in PRESENT.nonzero(as_tuple=True))
    subset = PRESENT.clone()
    subset[2, 0] = False
    for present in (PRESENT, subset):
        mean = masked_mean(rows, *rows_to_fuse(sample, modality, present), 3)
        assert torch.allclose(mean, naive_mean(rows, sample, modality, present))


def test_rows_outside_the_subset_are_never_read(rows: Tensor) -> None:
    sample, modality = PRESENT.nonzero(as_tuple=True)
    subset = PRESENT.clone()
    subset[2, 1] = False
    rows[4] = torch.nan
    rows.requires_grad_()
    mean = masked_mean(rows, *rows_to_fuse(sample, modality, subset), 3)
    mean.square().sum().backward()
    assert mean.isfinite().all()
    assert rows.grad is not None
    assert rows.grad.isfinite().all()
    assert (rows.grad[4] == 0).all()


def test_zero_rows_stand_for_every_absent_modality(rows: Tensor) -> None:
    sample, modality = torch.tensor([0, 1, 1, -1, -1, -1]), torch.tensor([2, 0, 1, 0, 1, 2])
    present = torch.tensor([[False, False, True], [True, True, False]])
    mean = masked_mean(rows, *rows_to_fuse(sample, modality, present, "zero"), 2)
    assert torch.allclose(mean[0], (rows[3] + rows[4] + rows[0]) / 3)
    assert torch.allclose(mean[1], (rows[1] + rows[2] + rows[5]) / 3)


def test_a_modality_that_was_not_encoded_is_an_error() -> None:
    sample, modality = PRESENT.nonzero(as_tuple=True)
    with pytest.raises(ValueError, match="7 encodings are to be fused, but 6"):
        rows_to_fuse(sample, modality, PRESENT | torch.tensor([False, True, False]))
    with pytest.raises(ValueError, match="zero image is missing"):
        rows_to_fuse(sample, modality, PRESENT, "zero")


def test_gradient_of_the_mean(rows: Tensor) -> None:
    row, to = rows_to_fuse(*PRESENT.nonzero(as_tuple=True), PRESENT)
    assert torch.autograd.gradcheck(lambda x: masked_mean(x, row, to, 3), rows.requires_grad_())


def test_dense_maps_are_zero_where_absent_and_a_view_where_nothing_is(rows: Tensor) -> None:
    sample, modality = PRESENT.nonzero(as_tuple=True)
    (dense,) = Encoded([rows], sample, modality, PRESENT).dense
    assert torch.equal(dense[PRESENT], rows)
    assert (dense[~PRESENT] == 0).all()
    every = torch.ones(2, 3, dtype=torch.bool)
    (dense,) = Encoded([rows], *every.nonzero(as_tuple=True), every).dense
    assert dense.data_ptr() == rows.data_ptr()
    assert torch.equal(dense[1, 2], rows[5])


def test_mean_of_rows_that_lie_in_order() -> None:
    rows = torch.randn(6, 3, 4, 5, generator=Generator().manual_seed(0))
    row, to = torch.arange(6), torch.arange(6) // 3
    assert in_order(row, to, 6, 2)
    assert torch.allclose(even_mean(rows, 2), masked_mean(rows, row, to, 2), atol=1e-6)
    assert torch.equal(even_mean(rows, 6), rows)
    assert not in_order(row.flip(0), to, 6, 2)
    assert not in_order(row, torch.tensor([0, 0, 0, 0, 1, 1]), 6, 2)
    assert not in_order(row[:5], to[:5], 6, 2)
