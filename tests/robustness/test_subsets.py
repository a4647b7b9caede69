import torch
from torch import Generator

from robustseg.build import build_model
from robustseg.failures.subsets import all_subsets
from robustseg.recipe import Absence, Model
from robustseg.robustness.subsets import subset_labels


def test_every_subset_is_predicted_as_alone() -> None:
    absences: tuple[Absence, ...] = ("remove", "zero")
    for absence in absences:
        model = build_model(Model(backbone="mit_nano", width=16, absence=absence), 5, 3, seed=0).eval()
        images = torch.randn(2, 3, 3, 64, 96, generator=Generator().manual_seed(1))
        subsets = all_subsets(3)
        found = subset_labels(model, images, subsets)
        for labels, subset in zip(found, subsets, strict=True):
            alone = model(images, subset.expand(2, -1)).logits.argmax(dim=1)
            assert float((labels == alone).double().mean()) > 0.9999
