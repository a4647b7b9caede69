"""The one place where names in a recipe become objects, and a model folder becomes a model."""

from __future__ import annotations

from robustseg import recipe
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta


def build_model(model: recipe.Model, num_classes: int, num_modalities: int, *, seed: int) -> Segmenter:
    """The network of a recipe with starting weights that depend on `seed` alone.

    Example:
        >>> model = build_model(recipe.Model(width=32), num_classes=9, num_modalities=4, seed=0)
        >>> sum(parameter.numel() for parameter in model.parameters()) < 3_000_000
        True
    """
    empty = segmenter_on_meta(
        model.backbone,
        width=model.width,
        num_classes=num_classes,
        num_modalities=num_modalities,
        absence=model.absence,
        dropout=model.dropout,
        drop_path=model.drop_path,
    )
    return random_segmenter(empty, seed=seed)
