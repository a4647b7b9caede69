import numpy as np

from robustseg.deploy.export.deployed import Deployed, slots
from robustseg.modalities import Modality

MODALITIES = tuple(Modality(name, mean=(place + 1.0,) * 3, std=(1.0,) * 3) for place, name in enumerate("abc"))


class Runs(dict):
    """Parts that keep what they are given; the encoder's only map is its image's first channel."""

    def __init__(self) -> None:
        super().__init__(encoder=self.encoder, fuse_decode=self.fuse_decode)
        self.encoded, self.fused = [], {}

    def encoder(self, arrays):
        self.encoded.append((int(arrays["modality"][0]), arrays["image"]))
        return {"map0": arrays["image"][:, :1]}

    def fuse_decode(self, arrays):
        self.fused = arrays
        return {"labels": arrays["map0"][:, 0, 0]}


def frames() -> tuple[np.ndarray, np.ndarray]:
    present = np.array([[True, False, False], [True, False, True]])
    images = np.full((2, 3, 3, 4, 5), np.nan, np.float32)
    images[present] = 7
    return images, present


def test_what_no_frame_has_is_not_encoded() -> None:
    runs = Runs()
    Deployed(runs, MODALITIES, needs_absent=False)(*frames())
    assert [place for place, _ in runs.encoded] == [0, 2]
    assert all(np.isfinite(image).all() for _, image in runs.encoded)
    assert runs.fused["map0"].shape == (2, 3, 1, 4, 5)
    assert np.isnan(runs.fused["map0"][:, 1]).all()
    assert runs.fused["size"].tolist() == [4, 5]


def test_a_network_that_wants_it_sees_the_mean_where_something_is_absent() -> None:
    runs = Runs()
    Deployed(runs, MODALITIES, needs_absent=True)(*frames())
    assert [place for place, _ in runs.encoded] == [0, 1, 2]
    assert (runs.fused["map0"][:, 1] == 2).all()
    assert (runs.fused["map0"][0, 2] == 3).all()
    assert (runs.fused["map0"][1, 2] == 7).all()


def test_slots_keep_the_order() -> None:
    found = slots([None, {"map0": np.ones((2, 4, 3, 3))}])["map0"]
    assert np.isnan(found[:, 0]).all()
    assert (found[:, 1] == 1).all()
