import numpy as np
import pytest
import torch

from robustseg.deploy.export import parity
from robustseg.deploy.export.manifest import Parity


class Exact:
    """Stands in for files: the model's own answer, spoilt where a test asks for it; reads nothing that is absent."""

    def __init__(self, model, *, names=("labels", "confidence", "logits"), spoil=lambda outputs: outputs) -> None:
        self.model, self.names, self.spoil, self.seen = model, names, spoil, []

    def __call__(self, images, present) -> dict[str, np.ndarray]:
        assert np.isnan(images[~present]).all()
        assert np.isfinite(images[present]).all()
        self.seen += [tuple(row) for row in present.tolist()]
        found = parity.expected_outputs(self.model, torch.from_numpy(np.nan_to_num(images)), torch.from_numpy(present))
        return self.spoil({name: found[name] for name in self.names})


def test_every_subset_is_compared(made) -> None:
    model = made()
    exact = Exact(model)
    found = parity.check_parity(model, exact)
    assert len(set(exact.seen[:7])) == 7
    assert (found.subsets, found.compared, found.equal_labels) == (7, "logits", 1.0)
    assert found.pixels == 7 * 64 * 96 + 2 * 69 * 105
    parity.require_parity(found)


def flipped(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return outputs | {"labels": (outputs["labels"] + 1) % 4}


def shifted(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return outputs | {"confidence": outputs["confidence"] + 0.01}


@pytest.mark.parametrize("spoil", [flipped, shifted])
def test_other_answers_are_refused_with_the_numbers(made, spoil) -> None:
    model = made()
    found = parity.check_parity(model, Exact(model, names=("labels", "confidence"), spoil=spoil))
    assert found.compared == "confidence"
    with pytest.raises(ValueError, match=r"answer differently .* equal labels .* nothing was written"):
        parity.require_parity(found)


def test_nan_is_no_parity() -> None:
    with pytest.raises(ValueError, match="answer differently"):
        parity.require_parity(Parity(1, 10, "logits", float("nan"), 1.0))


def test_of_many_modalities_some_subsets_are_drawn() -> None:
    first, again = (parity.compared_subsets(8, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.any(dim=1).all()
    assert 17 < len(first) <= 17 + parity.DRAWN
    rows = {tuple(row) for row in first.tolist()}
    assert len(rows) == len(first)
    assert {tuple(row) for row in torch.eye(8, dtype=torch.bool).tolist()} <= rows
