"""What can be wrong with a comparison beyond its file: data, networks, who can teach whom."""

from __future__ import annotations

from collections.abc import Sequence

from robustseg.experiments.grid import Comparison, Method
from robustseg.experiments.job import cost, located, planned_card
from robustseg.models.card import ModelCard
from robustseg.training.run import check_recipe, measured_recipe


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
            cards[name] = planned_card(measured_recipe(recipe))
            cost(cards[name])
        except ValueError as error:
            raise ValueError(f"method {name!r}: {error}") from error
    for name in chosen:
        _check_family(comparison.methods[name], cards)
    for modality, name in comparison.floors.items():
        if name in cards and [entry.name for entry in cards[name].modalities] != [modality]:
            raise ValueError(f"floors: method {name!r} must have {modality!r} alone (set: {{data.use: [{modality}]}})")


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
    if method.start in cards and (own.backbone, own.width) != (cards[method.start].backbone, cards[method.start].width):
        raise ValueError(f"method {method.name!r} cannot start from {method.start!r}, which is another network")
