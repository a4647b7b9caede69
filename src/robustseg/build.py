"""The one place where names in a recipe become objects, and a model folder becomes a model."""

from __future__ import annotations

from pathlib import Path

import torch

from robustseg import recipe
from robustseg.models.card import read_card
from robustseg.models.early import EarlyFusion
from robustseg.models.hub import local_folder
from robustseg.models.mit import SHAPES, MiT
from robustseg.models.precision import in_precision
from robustseg.models.released import load_encoder_weights
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import random_segmenter, segmenter_on_meta
from robustseg.models.weights import load_weights, structure


def build_model(model: recipe.Model, num_classes: int, num_modalities: int, *, seed: int) -> Segmenter:
    """The network of a recipe with starting weights that depend on `seed` and `model.encoder_weights` alone.

    Raises:
        FileNotFoundError: There is no file `model.encoder_weights`.
        ValueError: That file does not fit the backbone.

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
        fusion=model.fusion,
        private=model.private,
        dropout=model.dropout,
        drop_path=model.drop_path,
        gradient_checkpointing=model.gradient_checkpointing,
    )
    built = random_segmenter(empty, seed=seed)
    if model.encoder_weights:
        _start_encoder(built, model)
    return built


def _start_encoder(built: Segmenter, model: recipe.Model) -> None:
    match built:
        case EarlyFusion():
            with torch.device("meta"):
                plain = MiT(SHAPES[model.backbone])
            load_encoder_weights(plain.to_empty(device="cpu"), Path(model.encoder_weights))
            built.start_from(plain)
        case _:
            load_encoder_weights(built.encoder, Path(model.encoder_weights))


def load(folder: str | Path, device: str | torch.device = "cpu", *, precision: str = "fp32") -> Segmenter:
    """The model of a model folder, in evaluation mode. No code in the folder is run.

    Args:
        folder: With `model.json` and `model.safetensors`; or the name of one on the Hugging Face Hub,
            `hf://org/name` or `hf://org/name@revision`, see `robustseg.models.hub`.
        device: Where to put it; "auto" = a GPU if there is one.
        precision: What it computes in; less than fp32 is faster where the processor can, see
            `robustseg.models.precision`.

    Raises:
        FileNotFoundError: It is no model folder.
        OSError: It cannot be fetched from the hub.
        ValueError: Its card or its weights are damaged, or do not belong together; there is no such device, or it has
            no such precision.
    """
    where = find_device(device)
    folder = local_folder(folder)
    card = read_card(folder)
    model = structure(card)
    model.load_state_dict(load_weights(folder, card), assign=True)
    model.card = card
    return in_precision(model.to(where).eval(), precision)


def find_device(name: str | torch.device) -> torch.device:
    """The device of that name, "auto" being a GPU if there is one.

    Raises:
        ValueError: This machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"this machine has no device {str(name)!r}: use cpu, cuda, cuda:1 or auto") from error
    return device
