"""Checkpoints of the RobustSeg/AnySeg authors and MiT files in the official layout: their names, and the way in.

Both are read with `weights_only`: a checkpoint cannot run code.
"""

from __future__ import annotations

import colorsys
import pickle
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustseg.labels import LabelClass, number_name
from robustseg.modalities import IMAGENET_MEAN, IMAGENET_STD, Modality
from robustseg.models.card import ModelCard
from robustseg.models.private import PRIVATE, Identity, tensors_of
from robustseg.models.weights import check_shapes, check_tensors, expanded, save_model, structure

CAMERAS = ("rgb", "camera")
"""Names of sensors that the released models normalise with ImageNet's mean and std, all others by /255 alone."""

UNUSED = "classifier.weight"
ORIGIN = "released RobustSeg checkpoint; its encoder was started from NVIDIA's MiT weights (non-commercial licence)"
MIT_ORIGIN = "NVIDIA's MiT weights (non-commercial licence), or a file in their layout"
RELEASED_WIDTH = 768

_STAGE_NAMES = {
    "embed.": "patch_embed{}.proj.",
    "embed_norm.": "patch_embed{}.norm.",
    "blocks.": "block{}.",
    "norm.": "norm{}.",
}
_BLOCK_NAMES = {
    "attention_norm": "norm1",
    "attention.query": "attn.q",
    "attention.key_value": "attn.kv",
    "attention.out": "attn.proj",
    "attention.reduce": "attn.sr",
    "attention.reduce_norm": "attn.norm",
    "mlp_norm": "norm2",
    "mlp.expand": "mlp.fc1",
    "mlp.depthwise": "mlp.dwconv.dwconv",
    "mlp.shrink": "mlp.fc2",
}
_HEAD_NAMES = {"fuse": "linear_fuse.conv", "norm": "linear_fuse.bn", "classifier": "linear_pred"}


def released_name(name: str) -> str:
    """What the released checkpoints call one of our tensors.

    Example:
        >>> released_name("encoder.stages.0.blocks.1.attention.query.weight")
        'encoder.block1.1.attn.q.weight'
        >>> released_name("decoder.linears.3.bias")
        'decoder.linear_c4.proj.bias'
    """
    if stage := re.fullmatch(r"encoder\.stages\.(\d)\.(\w+\.)(.*)", name):
        place, part, rest = stage.groups()
        block = re.fullmatch(r"(\d+)\.(.+)\.(\w+)", rest) if part == "blocks." else None
        if block is not None:
            rest = f"{block[1]}.{_BLOCK_NAMES[block[2]]}.{block[3]}"
        return "encoder." + _STAGE_NAMES[part].format(int(place) + 1) + rest
    if linear := re.fullmatch(r"decoder\.linears\.(\d)\.(\w+)", name):
        return f"decoder.linear_c{int(linear[1]) + 1}.proj.{linear[2]}"
    _, part, rest = name.split(".")
    return f"decoder.{_HEAD_NAMES[part]}.{rest}"


def convert(checkpoint: Path, out: Path, *, backbone: str, classes: int, sensors: Sequence[str]) -> list[str]:
    """Turns a released checkpoint into a model folder.

    Args:
        checkpoint: A state dict, or a dict that holds one under "state_dict", "model_state_dict" or "model".
        out: The model folder to write; new or empty.
        backbone: "mit_b0" to "mit_b5".
        classes: K.
        sensors: Names of the modalities, in the order of the model's inputs.

    Returns:
        Lines that tell what was done.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It cannot be read, its tensors are not those of the network (lists all that differ), or `out` is
            not empty.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} is there already and not an empty folder: name a new one for the converted model")
    tensors = read_checkpoint(checkpoint)
    lines = []
    if UNUSED in tensors:
        del tensors[UNUSED]
        lines.append(f"dropped {UNUSED}, which the released network never uses")
    card = ModelCard(
        backbone=backbone,
        width=_width(tensors),
        classes=_numbered_classes(classes),
        modalities=tuple(_modality(name) for name in sensors),
        absence="remove",
        input_size=(1024, 1024),
        origin=ORIGIN,
    )
    model = structure(card)
    model.load_state_dict(_translate(tensors, model.state_dict(), checkpoint), assign=True)
    save_model(out, model, card)
    return [*lines, f"wrote {out}: {backbone}, {classes} classes, sensors {', '.join(sensors)}"]


def load_encoder_weights(encoder: nn.Module, path: Path) -> None:
    """Fills an MiT encoder from a user's own file in the official layout, ImageNet classifier ignored.

    Every modality gets a copy of what is its own in the encoder.

    NVIDIA's files carry a non-commercial licence: note `MIT_ORIGIN` in the card of what is trained from them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or holds other tensors than this encoder's; lists all that differ.
    """
    private, started = tensors_of(encoder, PRIVATE), tensors_of(encoder, (Identity,))
    ours = {
        f"encoder.{name}": tensor[0] if name in private else tensor
        for name, tensor in encoder.state_dict().items()
        if name not in started
    }
    tensors = {
        f"encoder.{name.removeprefix('encoder.')}": tensor
        for name, tensor in read_checkpoint(path).items()
        if name not in ("head.weight", "head.bias")
    }
    loaded = {name.removeprefix("encoder."): tensor for name, tensor in _translate(tensors, ours, path).items()}
    encoder.load_state_dict(expanded(loaded, encoder))


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The state dict in a checkpoint file, without the prefix `module.` that parallel training adds.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, no checkpoint, would run code, or holds something else than dense tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        _refuse_packed(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(f"{path} is damaged, or holds more than tensors, which could run code: refused") from None
    except ValueError as error:
        raise ValueError(f"{path} is refused: {error}") from None
    except Exception:  # whatever a damaged or hostile file makes of the reader
        raise ValueError(f"{path} is damaged or no PyTorch checkpoint") from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f"{path} holds no state dict")
    odd = [str(name) for name, value in content.items() if not _is_dense(name, value)]
    if odd:
        raise ValueError(f"{path} holds entries that are no dense tensors: {', '.join(odd)}")
    prefix = "module." if all(name.startswith("module.") for name in content) else ""
    return {name.removeprefix(prefix): tensor for name, tensor in content.items()}


def _refuse_packed(path: Path) -> None:
    """PyTorch never compresses its archives; one that is could unpack to far more memory than the file has bytes."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("it is a compressed archive, which PyTorch does not write")
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its parts claim to be larger than the file")


def _is_dense(name: Any, value: Any) -> bool:
    if not isinstance(name, str) or not isinstance(value, Tensor):
        return False
    return value.layout is torch.strided and value.device.type == "cpu" and not value.is_quantized


def _translate(tensors: dict[str, Tensor], ours: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Released names to ours, in our types, each checked; no tensor is converted before its shape is."""
    names = {released_name(name): name for name in ours}
    expected = {theirs: ours[name] for theirs, name in names.items()}
    on_meta = {
        name: torch.empty(tensor.shape, dtype=_converted(tensor, expected.get(name)), device="meta")
        for name, tensor in tensors.items()
    }
    check_shapes(on_meta, expected, str(path))
    converted = {name: tensor.to(expected[name].dtype).contiguous() for name, tensor in tensors.items()}
    check_tensors(converted, expected, str(path))
    return {names[name]: tensor for name, tensor in converted.items()}


def _converted(tensor: Tensor, expected: Tensor | None) -> torch.dtype:
    """Any real type stands for ours: half and double precision for single, a float for a counter."""
    real = tensor.dtype is not torch.bool and not tensor.is_complex()
    return expected.dtype if expected is not None and real else tensor.dtype


def _width(tensors: dict[str, Tensor]) -> int:
    """The decoder's width, from the one tensor that has no other dimension."""
    norm = tensors.get("decoder.linear_fuse.bn.weight")
    return RELEASED_WIDTH if norm is None or norm.ndim != 1 else len(norm)


def _modality(name: str) -> Modality:
    if name in CAMERAS:
        return Modality(name, mean=IMAGENET_MEAN, std=IMAGENET_STD, photometric=True)
    return Modality(name, mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0))


def _numbered_classes(count: int) -> tuple[LabelClass, ...]:
    """Classes without names of their own, in colors that differ."""
    hues = (colorsys.hsv_to_rgb(place * 0.618 % 1, 0.65, 0.95) for place in range(count))
    return tuple(
        LabelClass(number_name(place), (round(255 * r), round(255 * g), round(255 * b)))
        for place, (r, g, b) in enumerate(hues)
    )
