"""Images of which only some pixels hold something, and how those grow into squares.

Letters: `n` pixels that hold something, `C` channels, `H W` size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int32, Integer, Shaped

LOWEST = np.finfo(np.float32).min


@dataclass(frozen=True, eq=False)
class SparseImage:
    """The pixels of an image in which a sensor saw something; all others are 0.

    Attributes:
        size: Height and width.
        pixels: Places in the flattened image, rising.
        values: What stands there; channels from the first on, those that lack are 0 everywhere.
    """

    size: tuple[int, int]
    pixels: Int32[np.ndarray, " n"]
    values: Shaped[np.ndarray, "n C"]

    def dense(self, side: int = 1) -> Float32[np.ndarray, "3 H W"]:
        """The whole image, each pixel grown to a square of `side` pixels.

        Where squares overlap, each channel shows its largest value among the pixels that hold something: a height
        below 0 wins over an empty pixel, and loses against a larger height. So range, intensity and height of one
        pixel may come from different points, as with the SDK's dilation, which lifts heights by 255 for the same end
        (and so takes a height of exactly 0 for an empty pixel). Squares of an even side reach further right and down.
        """
        height, width = self.size
        image = np.zeros((3, height * width), np.float32)
        background = 0.0 if side == 1 else LOWEST
        for channel in range(self.values.shape[1]):
            image[channel] = background
            image[channel, self.pixels] = self.values[:, channel]
        image = image.reshape(3, height, width)
        if side > 1:
            for channel in range(self.values.shape[1]):
                grown = cv2.dilate(image[channel], np.ones((side, side), np.uint8))
                image[channel] = np.where(grown == LOWEST, 0, grown)
        return image


def last_of_each(pixels: Integer[np.ndarray, " m"], count: int) -> Integer[np.ndarray, " n"]:
    """Which of the points that fall on pixels stay: the last one of each pixel, in the order of the pixels.

    NumPy leaves open which value an assignment with repeated places keeps; this does not.

    Args:
        pixels: The pixel of each point, 0 to `count` - 1.
        count: The number of pixels.
    """
    latest = np.full(count, -1, np.int64)
    np.maximum.at(latest, pixels, np.arange(len(pixels)))
    return latest[latest >= 0]
