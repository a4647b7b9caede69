"""What the command line names becomes a source."""

from __future__ import annotations

import re
from pathlib import Path

from robustseg.deploy.sources.arrays import ArrayFiles
from robustseg.deploy.sources.bags import is_bag
from robustseg.deploy.sources.lists import FileLists, list_files
from robustseg.deploy.sources.recording import Recording
from robustseg.deploy.sources.rig import read_rig
from robustseg.deploy.sources.source import Source
from robustseg.deploy.sources.videos import VideoFiles, is_video
from robustseg.files import below
from robustseg.models.card import ModelCard

_NAMED = re.compile(r"\s*([\w.-]+)=(.+)")


def open_source(card: ModelCard, path: Path, *, inputs: str = "", rig: Path | None = None) -> Source:
    """Frames for a model from a folder's images, videos, arrays or a recording.

    Args:
        card: The model's. If its training frames were resized, images of other sizes than the leading one's are, too.
        path: A recording, a video or an NPZ file; with `inputs`, the folder that they start from.
        inputs: `rgb=cam/*.png,depth=depth/*.npy`, or videos, or one pattern of NPZ files without a name.
        rig: Which topics of a recording feed which modality.

    Raises:
        FileNotFoundError: Something is not there.
        ValueError: It is nothing of that, or does not fit the model.
    """
    if rig is not None and inputs:
        raise ValueError("give --inputs for files, or --rig for a recording, not both")
    if rig is not None:
        return Recording(path, read_rig(rig, card.modalities), card.modalities)
    if is_bag(path):
        raise ValueError(f"{path} is a recording: say with --rig FILE which topics feed which modality")
    if inputs:
        return _from_inputs(card, path, inputs)
    resize = card.resize is not None
    if is_video(path):
        return VideoFiles({_only_camera(card): path}, card.modalities, resize=resize)
    if path.suffix.lower() == ".npz":
        return ArrayFiles({path.stem: path}, card.modalities, resize=resize)
    raise ValueError(f"{path} is no folder, video, NPZ file or recording: name images with --inputs rgb=FILE")


def parse_inputs(text: str) -> dict[str, str]:
    """Input -> pattern, of `name=pattern,name=pattern`; a single pattern without a name stands under "".

    Raises:
        ValueError: A name is missing, or stands twice.

    Example:
        >>> parse_inputs("rgb=cam/[0,1]*.png,depth=depth/*.npy")
        {'rgb': 'cam/[0,1]*.png', 'depth': 'depth/*.npy'}
    """
    entries = re.split(r",(?=\s*[\w.-]+=)", text)
    if len(entries) == 1 and "=" not in text:
        return {"": text}
    patterns: dict[str, str] = {}
    for entry in entries:
        match = _NAMED.fullmatch(entry)
        if match is None:
            raise ValueError(f"--inputs is NAME=PATTERN,NAME=PATTERN, as in rgb=cam/*.png; got {entry!r}")
        if match[1] in patterns:
            raise ValueError(f"--inputs names {match[1]!r} twice")
        patterns[match[1]] = match[2].strip()
    return patterns


def _from_inputs(card: ModelCard, root: Path, inputs: str) -> Source:
    patterns, resize = parse_inputs(inputs), card.resize is not None
    if "" in patterns:
        files = list_files(root, patterns[""])
        if other := [path for path in files.values() if path.suffix.lower() != ".npz"]:
            raise ValueError(f"{other[0]} is no NPZ file: say which modality it is, as in --inputs rgb={patterns['']}")
        return ArrayFiles(files, card.modalities, resize=resize)
    videos = [name for name, text in patterns.items() if is_video(text)]
    if len(videos) == len(patterns):
        paths = {name: below(root, text) for name, text in patterns.items()}
        return VideoFiles(paths, card.modalities, resize=resize)
    if videos:
        raise ValueError(f"{patterns[videos[0]]} is a video, and not all inputs are: give images or videos")
    return FileLists(root, patterns, card.modalities, resize=resize)


def _only_camera(card: ModelCard) -> str:
    """The modality of a video that came without a name."""
    cameras = [modality.name for modality in card.modalities if modality.photometric]
    if len(cameras) != 1:
        names = ", ".join(modality.name for modality in card.modalities)
        raise ValueError(f"which of {names} does the video show? Name the folder and --inputs NAME=FILE")
    return cameras[0]
