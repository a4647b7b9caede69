"""Random numbers that belong to a name: the same frame and modality get the same noise anywhere."""

from __future__ import annotations

import hashlib

import torch


def generator_for(seed: int, *words: str) -> torch.Generator:
    """A fresh source of random numbers that depends on the seed and the words, in their order, and on nothing else.

    With the words frame, modality and corruption, every model and subset sees the same noise, whatever the batch size,
    the number of workers, the order of the frames or the machine. For a fault, take the sensor in place of the
    modality, so that one dirty lens dirties all its images alike, and leave the severity out, so that a higher one adds
    to what a lower one broke.

    The state is the first 8 bytes of SHA-256 over the seed and the words, each with its length before it, so that
    ("ab", "c") and ("a", "bc") differ. torch's CPU generator uses 32 of these 64 bits: two of n keys share their noise
    with a probability of about n^2 / 2^33, which does no harm.

    Example:
        >>> torch.randint(1000, (3,), generator=generator_for(0, "frame 7", "lidar")).tolist()
        [897, 489, 283]
    """
    digest = hashlib.sha256()
    for word in (str(seed), *words):
        encoded = word.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return torch.Generator().manual_seed(int.from_bytes(digest.digest()[:8], "big"))
