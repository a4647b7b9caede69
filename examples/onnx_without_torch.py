"""A model at work without PyTorch and without this package: ONNX Runtime, NumPy and Pillow run an export.

Needs: pip install onnxruntime numpy pillow
First: robustseg export MODEL EXPORT --split
Then: python onnx_without_torch.py EXPORT OUT.png rgb=FRAME.png lidar=LIDAR.png    (any of the model's modalities)

Labels are those of `robustseg.Predictor`, of frames that are resized too; docs/export.md tells the one exception.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image


def read_image(path: str, modality: dict) -> np.ndarray:
    """A file of one or three channels as "1 3 H W" in the modality's unit."""
    if modality["channels"]:
        raise SystemExit(f"{modality['name']}: its channels are {modality['channels']}; read_image must compute them")
    stored = np.atleast_3d(np.asarray(Image.open(path), np.float32))[..., :3].transpose(2, 0, 1)
    return np.repeat(modality["scale"] * stored + modality["offset"], 3 // len(stored), axis=0)[None].astype(np.float32)


def resized(image: np.ndarray, size: tuple[int, int], nearest: bool) -> np.ndarray:
    """Images "1 3 H W" at another size: the nearest pixel, or linear between pixels, or to shrink the area's mean."""
    area = size[0] <= image.shape[2] and size[1] <= image.shape[3]
    rows, columns = (weights(*sides, area, nearest) for sides in zip(image.shape[2:], size, strict=True))
    return (rows @ image @ columns.T).astype(np.float32)


def weights(old: int, new: int, area: bool, nearest: bool) -> np.ndarray:
    """What each of `old` pixels along one axis adds to each of `new` ones, "new old"."""
    pixels, places = np.arange(old), np.arange(new)[:, None]
    if nearest:
        return (pixels == (2 * places + 1) * old // (2 * new)).astype(float)
    left, right = places * old / new, (places + 1) * old / new
    if area:
        return np.clip(np.minimum(right, pixels + 1) - np.maximum(left, pixels), 0, None) * new / old
    return np.clip(1 - np.abs(np.clip((left + right - 1) / 2, 0, old - 1) - pixels), 0, None)


def padded(image: np.ndarray, smallest: int) -> np.ndarray:
    """Small images with their lower and right edges repeated."""
    margins = [(0, max(0, smallest - side)) for side in image.shape[2:]]
    return np.pad(image, [(0, 0), (0, 0), *margins], mode="edge")


def main(folder: Path, out: str, files: dict[str, str]) -> None:
    """Segments one frame from the files that are there, and paints it in the classes' colors."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    modalities = manifest["modalities"]
    names = [modality["name"] for modality in modalities]
    if not set(files) <= set(names):
        raise SystemExit(f"this model knows {', '.join(names)}")
    run = {file["part"]: onnxruntime.InferenceSession(folder / file["name"]).run for file in manifest["files"]}
    images = {names.index(name): read_image(path, modalities[names.index(name)]) for name, path in files.items()}
    present = np.array([[place in images for place in range(len(names))]])
    height, width = next(iter(images.values())).shape[2:]
    if manifest["resize"]:
        nearest = [modality["resample"] == "nearest" for modality in modalities]
        images = {place: resized(image, manifest["resize"], nearest[place]) for place, image in images.items()}
    shape = next(iter(images.values())).shape
    if manifest["absent"] == "mean image":  # such a network wants to see an image of nothing where something is absent
        nothing = {place: np.array(entry["mean"], np.float32)[:, None, None] for place, entry in enumerate(modalities)}
        images = {place: images.get(place, np.broadcast_to(mean, shape)) for place, mean in nothing.items()}
    shown = {place: padded(image, manifest["smallest"]) for place, image in images.items()}
    maps = {place: run["encoder"](None, {"image": shown[place], "modality": np.array([place])}) for place in shown}
    stages = range(len(first := next(iter(maps.values()))))  # an absent one's slot may hold anything
    rows = [maps.get(place, first) for place in range(len(names))]
    slots = {f"map{i}": np.stack([np.asarray(row[i]) for row in rows], axis=1) for i in stages}
    size = (height, width) if manifest["resize"] else next(iter(shown.values())).shape[2:]  # of the answer
    feed = slots | {"present": present, "size": np.array(size)}
    found = run["fuse_decode"](["labels", "confidence"], feed)
    labels, confidence = (np.asarray(entry)[0, :height, :width] for entry in found)
    Image.fromarray(np.array([entry["color"] for entry in manifest["classes"]], np.uint8)[labels]).save(out)
    print(f"{out}: {width}x{height} from {'+'.join(files)}, mean confidence {confidence.mean():.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 3 and all("=" in argument for argument in sys.argv[3:]):
        main(Path(sys.argv[1]), sys.argv[2], dict(argument.split("=", 1) for argument in sys.argv[3:]))
    else:
        print(__doc__)
