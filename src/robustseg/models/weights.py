"""A model folder: `model.safetensors` and `model.json`. Neither can run code when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from robustseg.files import sha256, write_atomically
from robustseg.models.card import CARD_FILE, ModelCard, write_card
from robustseg.models.moments import Contrast
from robustseg.models.private import PRIVATE, Identity, tensors_of
from robustseg.models.segmenter import Segmenter
from robustseg.models.standard import segmenter_on_meta
from robustseg.models.weighted import Reliability
from robustseg.version import __version__

WEIGHTS_FILE = "model.safetensors"
LARGEST_HEADER = 2**22
"""Bytes; that of the largest network has a tenth of it."""
_DTYPES = {"F32": torch.float32, "I64": torch.int64}


def structure(card: ModelCard) -> Segmenter:
    """The network a card describes, on the meta device: no memory, no values."""
    return segmenter_on_meta(
        card.backbone,
        width=card.width,
        num_classes=len(card.classes),
        num_modalities=len(card.modalities),
        absence=card.absence,
        fusion=card.fusion,
        private=card.private,
    )


def save_model(folder: Path, model: Segmenter, card: ModelCard) -> ModelCard:
    """Writes a model folder, the card last, so that a folder with a card is whole.

    Returns:
        The card as written, with version and hash.

    Raises:
        ValueError: The model is not what the card says, or a weight is not finite.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    check_tensors(tensors, structure(card).state_dict(), str(folder))
    path = folder / WEIGHTS_FILE
    write_atomically(path, lambda temporary: _write(temporary, tensors))
    card = replace(card, version=__version__, sha256=sha256(path))
    write_card(folder, card)
    return card


def load_weights(folder: Path, card: ModelCard) -> dict[str, Tensor]:
    """The weights of a model folder, checked against its card before they take any memory, and read into it once.

    Raises:
        FileNotFoundError: There is no weight file.
        ValueError: The file is damaged, is not the one the card was written for, or holds other tensors than the
            network that the card describes.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no model folder: it has no {WEIGHTS_FILE}")
    if sha256(path) != card.sha256:
        raise ValueError(f"{path} was damaged or replaced: its SHA-256 is not the one in {CARD_FILE}")
    _check_header(path)
    expected = structure(card).state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            check_shapes({name: _on_meta(part) for name, part in slices.items()}, expected, str(path))
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    tensors = _read(path, expected)
    check_tensors(tensors, expected, str(path))
    return tensors


def expanded(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The weights of a network that shares more, as a network needs them that has the same parts or more of them.

    Every modality is given what all share as its own, and what a plain network lacks, reliabilities, contrasts and
    identities, stays that of the model. Both compute the same then, if these are as they start. What is there already
    stays as it is, and other differences stay for whoever loads the result to find. Nothing is copied: the tensors are
    to be loaded, not to be changed.

    Args:
        state: Of the network that shares.
        model: The network that the weights are for.
    """
    own = model.state_dict()
    started = {name: own[name] for name in tensors_of(model, (Reliability, Contrast, Identity))} | dict(state)
    alike = {
        name: started[name].expand_as(own[name])
        for name in tensors_of(model, PRIVATE)
        if name in started and started[name].shape == own[name].shape[1:]
    }
    return started | alike


def _write(path: Path, tensors: dict[str, Tensor]) -> None:
    path.write_bytes(save(tensors))  # unlike `save_file` it leaves the file's permissions to the user


def _check_header(path: Path) -> None:
    """Raises ValueError for a header that is too long to be parsed; that the file holds it all is checked later."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"{path} is damaged: its header claims {length} bytes, at most {LARGEST_HEADER} make sense")


def _read(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file whose header was checked; a mapped file would stand in memory beside their copies.

    Each has aligned memory of its own: sums are rounded differently where alignment differs.
    """
    tensors = {name: torch.empty(like.shape, dtype=like.dtype) for name, like in expected.items()}
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        start = stream.tell()
        for name, tensor in tensors.items():
            begin, end = header[name]["data_offsets"]
            stream.seek(start + begin)
            values = tensor.reshape(-1).view(torch.uint8).numpy()
            if not stream.readinto(values.data) == len(values) == end - begin:
                raise ValueError(f"{path} is damaged: it does not hold all of {name}")
    return tensors


def _on_meta(part: Any) -> Tensor:
    """A tensor of a safetensors file as its header tells it; the bool type stands for any that no model has."""
    return torch.empty(part.get_shape(), dtype=_DTYPES.get(part.get_dtype(), torch.bool), device="meta")


def check_shapes(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raises one ValueError that lists every unknown, missing and mis-shaped tensor, if there is any."""
    problems = [f"unknown tensor {name}" for name in sorted(set(given) - set(expected))]
    problems += [f"missing tensor {name}" for name in sorted(set(expected) - set(given))]
    for name in sorted(set(expected) & set(given)):
        want, got = expected[name], given[name]
        if want.shape != got.shape:
            problems.append(f"{name} has shape {tuple(got.shape)}, not {tuple(want.shape)}")
        elif want.dtype != got.dtype:
            problems.append(f"{name} has type {got.dtype}, not {want.dtype}")
    if problems:
        raise ValueError(f"{where} does not fit this network:\n  " + "\n  ".join(problems))


def check_tensors(given: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Raises ValueError unless the tensors are the expected ones, and finite."""
    check_shapes(given, expected, where)
    broken = [name for name, tensor in given.items() if not bool(tensor.isfinite().all())]
    if broken:
        raise ValueError(f"{where}: not all values are finite in {', '.join(broken)}")
