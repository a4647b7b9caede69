"""What tests of the stream share: a clock that is turned by hand, and a predictor that computes nothing."""

from types import SimpleNamespace

import numpy as np
import torch

from robustseg.deploy.predictor import Encoding, Prediction, Predictor
from robustseg.modalities import Modality

NAMES = ("rgb", "depth", "lidar")


class HandClock:
    """A local clock that stands still until it is turned."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class IdlePredictor(Predictor):
    """Encodes nothing, and answers with the size of what it was given.

    Attributes:
        encoded: The images that were encoded.
    """

    def __init__(self) -> None:
        self.modalities = tuple(Modality(name) for name in NAMES)
        self.model = SimpleNamespace(card=SimpleNamespace(modalities=self.modalities))  # type: ignore[assignment]
        self.encoded, self._last = [], {}

    def encode(self, name, image, *, size=None):
        if not np.isfinite(np.asarray(image)).all():
            raise ValueError(f"{name}: 1 pixels are NaN or infinite")
        self.encoded.append(image)
        empty = torch.empty(3, *image.shape[:2])
        return Encoding(NAMES.index(name), empty, empty, ())

    def answer(self, encodings, *, probabilities=False, worth=False):
        used = tuple(NAMES[encoding.place] for encoding in encodings)
        (size,) = {encoding.size for encoding in encodings}
        empty = np.zeros(size)
        return Prediction(
            empty.astype(np.uint8), empty.astype(np.float32), used, tuple(name for name in NAMES if name not in used)
        )
