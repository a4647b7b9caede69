"""What can be wrong with a comparison beyond its file: data, networks, who can teach whom."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from robustseg.benchmark.cost import meta_logits
from robustseg.experiments.grid import Comparison, Method
from robustseg.experiments.job import located, planned_card
from robustseg.models.card import ModelCard
from robustseg.models.weights import check_shapes, expanded, structure
from robustseg.training.learners import check_teaching
from robustseg.training.run import check_recipe


def check_methods(comparison: Comparison, chosen: Sequence[str], root: str = "") -> None:
    """Opens the data of methods, builds their networks without memory, and looks at who learns from whom.

    Args:
        comparison: All methods.
        chosen: Those that are looked at, with all that they need.
        root: The data folder, instead of the recipe's.

    Raises:
        ValueError: Something makes no sense; the message names the method.
        FileNotFoundError: Data are missing.
    """
    cards: dict[str, ModelCard] = {}
    for name in chosen:
        method = comparison.methods[name]
        recipe = located(method.recipe, root)
        try:
            check_recipe(recipe)
            card = planned_card(recipe)
            if card not in cards.values():  # most methods have the same network
                _compute(card)
            cards[name] = card
        except ValueError as error:
            raise ValueError(f"method {name!r}: {error}") from error
    for name in chosen:
        method = comparison.methods[name]
        if method.stage == "student":
            _check_teaching(method, cards)
        _check_family(method, cards)
    for modality, name in comparison.floors.items():
        if name in cards and [entry.name for entry in cards[name].modalities] != [modality]:
            raise ValueError(f"floors: method {name!r} must have {modality!r} alone (set: {{data.use: [{modality}]}})")


def _compute(card: ModelCard) -> None:
    """One frame with all its modalities, of which nothing but shapes is computed."""
    with torch.no_grad():
        meta_logits(structure(card).eval(), 1, len(card.modalities), card.resize or card.input_size)


def _check_teaching(method: Method, cards: dict[str, ModelCard]) -> None:
    """Its losses and its fusion can make something of the networks of its teacher and its start."""
    start = cards.get(method.start) if method.start != method.teacher else None
    try:
        check_teaching(method.recipe, teacher=cards.get(method.teacher), start=start)
    except ValueError as error:
        raise ValueError(f"method {method.name!r}: {error}") from error


def _check_family(method: Method, cards: dict[str, ModelCard]) -> None:
    """Those that teach a method, or that it starts from, know the same inputs and classes."""
    own = cards[method.name]
    for name in method.needs:
        other = cards[name]
        for what in ("modalities", "classes"):
            mine, theirs = ([entry.name for entry in getattr(card, what)] for card in (own, other))
            if mine != theirs:
                raise ValueError(
                    f"method {method.name!r} has the {what} {', '.join(mine)}, {name!r}, that it needs, "
                    f"{', '.join(theirs)}: name another teacher or start"
                )
    if method.start in cards and method.recipe.model.fusion != "pair":  # a pair takes both networks as they are
        network = structure(own)
        try:
            given = expanded(structure(cards[method.start]).state_dict(), network)
            check_shapes(given, network.state_dict(), method.start)
        except ValueError as error:
            raise ValueError(
                f"method {method.name!r} cannot start from {method.start!r}, which is another network: {error}"
            ) from error
