import pytest
import torch
from torch.nn import functional as F

from robustseg.build import build_model
from robustseg.distill.prototypes import nearest
from robustseg.recipe import Model
from robustseg.training.frozen import FrozenTeacher
from robustseg.training.targets import superset_logits

PRESENT = torch.tensor([[True, True, True], [True, False, True]])
SUBSETS = torch.tensor(
    [
        [[True, False, False], [True, True, False], [True, True, True]],
        [[False, False, True], [True, False, True], [True, False, False]],
    ]
)


@pytest.mark.parametrize("absence", ["remove", "zero"])
def test_equals_trying_one_by_one(absence):
    draw = torch.Generator().manual_seed(0)
    model = build_model(Model(width=16, absence=absence), num_classes=4, num_modalities=3, seed=0)
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn(parameter.shape, generator=draw))
    images = torch.randn(2, 3, 3, 32, 64, generator=draw)
    images[~PRESENT] = torch.nan
    labels = torch.randint(0, 4, (2, 32, 64), generator=draw)
    labels[0, :9] = 255
    teacher = FrozenTeacher(model)
    decoded = []
    hook = model.decoder.register_forward_hook(lambda _, inputs, __: decoded.append(inputs[0].present))
    everything = teacher(images, PRESENT)
    decoded.clear()
    found = superset_logits(teacher, everything, labels=labels, subsets=SUBSETS)
    hook.remove()
    assert [part.tolist() for part in decoded] == [[[True, True, False]], [[True, False, True]]]  # all else is known
    assert not found.requires_grad
    chosen = set()
    for d in range(3):
        for n in range(2):
            subset = SUBSETS[n, d]
            tries = []
            for m in torch.nonzero(PRESENT[n] & ~subset).flatten().tolist() or [None]:
                larger = subset.clone()
                if m is not None:
                    larger[m] = True
                logits = model.coarse(images[n : n + 1], larger[None]).logits
                small = nearest(labels[n : n + 1], tuple(logits.shape[2:]))
                tries.append((F.cross_entropy(logits, small, ignore_index=255).item(), m, logits[0]))
            _, m, logits = min(tries, key=lambda one: one[0])
            chosen.add((len(tries), m))
            torch.testing.assert_close(found[d * 2 + n], logits, rtol=1e-4, atol=1e-5)
    assert any(count > 1 for count, _ in chosen)
