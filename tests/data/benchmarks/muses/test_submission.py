import hashlib
import zipfile

import numpy as np
import pytest
from PIL import Image

from robustseg.data.benchmarks.muses import submission_names, write_submission

SIZE = (6, 8)
NAMES = ("REC0001_frame_000010", "REC0001_frame_000020", "REC0002_frame_000030")


def labels(value: int = 3) -> np.ndarray:
    return np.full(SIZE, value, np.uint8)


def all_of(**changes):
    return [(name, changes.get(name, labels(place))) for place, name in enumerate(NAMES)]


def test_names_sizes_and_ids(tmp_path):
    out = tmp_path / "s.zip"
    write_submission(reversed(all_of()), out, NAMES, size=SIZE)
    with zipfile.ZipFile(out) as archive:
        assert sorted(archive.namelist()) == [f"{name}.png" for name in NAMES]
        for place, name in enumerate(NAMES):
            with archive.open(f"{name}.png") as stream, Image.open(stream) as image:
                assert (image.mode, image.size) == ("L", (8, 6))
                assert np.unique(np.asarray(image)).tolist() == [place]


def test_equal_predictions_give_equal_bytes(tmp_path):
    digests = set()
    for name in ("a.zip", "b.zip"):
        write_submission(all_of(), tmp_path / name, NAMES, size=SIZE)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (all_of()[:1], r"REC0001_frame_000020 has no prediction, nor have 1 other scenes of 3"),
        ([*all_of(), all_of()[0]], "REC0001_frame_000010 comes twice"),
        ([("REC9999_frame_000000", labels())], "REC9999_frame_000000 is no scene of the test split"),
        ([("../../evil", labels())], "is no scene of the test split"),
        (all_of(**{NAMES[1]: np.zeros((8, 6), np.uint8)}), "000020: the server expects 6x8, got 8x6"),
        (all_of(**{NAMES[1]: labels(19)}), r"000020: train ids are 0\.\.18, got \[19\]"),
        (all_of(**{NAMES[1]: labels(255)}), r"got \[255\]"),
        (all_of(**{NAMES[1]: labels().astype(np.int64) - 4}), r"got \[-1\]"),
        (all_of(**{NAMES[1]: labels().astype(np.float32)}), "train ids are integers, got float32"),
    ],
)
def test_what_the_server_would_refuse(tmp_path, predictions, message):
    with pytest.raises(ValueError, match=message):
        write_submission(predictions, tmp_path / "s.zip", NAMES, size=SIZE)
    assert list(tmp_path.iterdir()) == []


def test_real_size_is_the_default(tmp_path):
    with pytest.raises(ValueError, match="expects 1080x1920"):
        write_submission(all_of(), tmp_path / "s.zip", NAMES)
    with pytest.raises(ValueError, match=r"call it .*s\.zip"):
        write_submission(all_of(), tmp_path / "s.tar", NAMES, size=SIZE)


def test_the_names_are_those_of_the_test_split(tree):
    assert submission_names(tree) == tuple(f"REC{number:04d}_frame_001000" for number in (16, 17, 18))
