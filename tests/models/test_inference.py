"""Where a network may be computed piece by piece."""

import torch

from robustseg.models.inference import in_pieces, learns_in_pieces, twice_differentiable


def test_where_gradients_by_hand_pay():
    x = torch.zeros(1)
    assert learns_in_pieces([x])
    with torch.no_grad():
        assert not learns_in_pieces([x])
    with torch.autocast("cpu", torch.bfloat16):
        assert not learns_in_pieces([x])
    assert not learns_in_pieces([x, torch.zeros(1, device="meta")])


def test_no_gradients_by_hand_where_gradients_have_gradients():
    x = torch.zeros(1)
    with twice_differentiable():
        assert not learns_in_pieces([x])
        with torch.no_grad():
            assert in_pieces([x])  # a frozen teacher's
    assert learns_in_pieces([x])


def test_where_nothing_is_recorded():
    x = torch.zeros(1)
    assert not in_pieces([x])
    with torch.no_grad():
        assert in_pieces([x])
        assert not in_pieces([x, torch.zeros(1, device="meta")])
