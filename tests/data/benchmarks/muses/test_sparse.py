import numpy as np
import pytest

from robustseg.data.benchmarks.muses.sparse import SparseImage

SIZE = (12, 17)


def slow_dilation(image, present, side):
    """OpenCV's default anchor: a square of an even side reaches further up and left of the pixel it is written to."""
    grown = np.zeros_like(image)
    before = side // 2
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            rows = slice(max(row - before, 0), row - before + side)
            columns = slice(max(column - before, 0), column - before + side)
            for channel in range(3):
                seen = image[channel, rows, columns][present[rows, columns]]
                grown[channel, row, column] = seen.max() if len(seen) else 0
    return grown


@pytest.mark.parametrize("side", [1, 2, 3, 10])
def test_dilation_equals_a_loop_with_heights_below_zero(side):
    draw = np.random.default_rng(side)
    present = draw.uniform(size=SIZE) < 0.1
    pixels = np.flatnonzero(present).astype(np.int32)
    values = draw.uniform(-3, 3, (len(pixels), 3)).astype(np.float32)
    values[0] = (5, 1, 0)  # a height of exactly 0 is a height
    image = np.zeros((3, *SIZE), np.float32)
    image[:, present] = values.T
    grown = SparseImage(SIZE, pixels, values).dense(side)
    np.testing.assert_array_equal(grown, slow_dilation(image, present, side))
    assert (grown[2] < 0).any()


def test_fewer_channels_and_nothing_at_all():
    one = SparseImage(SIZE, np.array([5], np.int32), np.array([[7, 255]], np.uint8)).dense(3)
    assert one.dtype == np.float32
    assert (one.max(axis=(1, 2)) == (7, 255, 0)).all()
    nothing = SparseImage(SIZE, np.empty(0, np.int32), np.empty((0, 3), np.float32))
    assert not nothing.dense().any()
    assert not nothing.dense(2).any()
