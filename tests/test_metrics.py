import os
from pathlib import Path

import numpy as np
import pytest
import torch

from robustseg.metrics import accuracy, class_mean, confusion_matrix, count, f1, iou, mean_iou

K = 5


@pytest.fixture
def maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, K - 1, (3, 7, 9), generator=generator)  # the last class occurs nowhere
    predictions = torch.randint(0, K - 1, (3, 7, 9), generator=generator)
    labels[:, 0] = 255
    labels[2] = 255
    return predictions, labels


def reference() -> Path:
    here = Path(__file__).parent
    shared = Path(os.environ.get("ROBUSTSEG_SHARED", here.parents[1] / "shared"))
    for path in (here / "reference" / "losses.npz", shared / "reference" / "losses.npz"):
        if path.is_file():
            return path
    pytest.skip("no reference vectors: neither tests/reference nor ROBUSTSEG_SHARED has losses.npz")


def test_counts_match_a_loop_over_pixels(maps) -> None:
    predictions, labels = maps
    expected = torch.zeros(3, K, 3, dtype=torch.int64)
    for b, y, x in np.ndindex(*labels.shape):
        said, true = int(predictions[b, y, x]), int(labels[b, y, x])
        if true == 255:
            continue
        if said == true:
            expected[b, true, 0] += 1
        else:
            expected[b, said, 1] += 1
            expected[b, true, 2] += 1
    counts = count(predictions, labels, K)
    assert counts.dtype == torch.int64
    assert counts.equal(expected)


def test_confusion_matrix_has_labels_in_rows(maps) -> None:
    predictions, labels = maps
    matrix = confusion_matrix(predictions, labels, K)
    for true in range(K):
        for said in range(K):
            assert matrix[true, said] == ((labels == true) & (predictions == said)).sum()


def test_narrow_types_count_alike(maps) -> None:
    predictions, labels = maps
    narrow = count(predictions.to(torch.uint8), labels.to(torch.uint8), K)
    assert narrow.equal(count(predictions, labels, K))


def test_scores_by_hand() -> None:
    counts = torch.tensor([[6, 2, 4], [0, 3, 0], [0, 0, 0]])
    assert iou(counts)[:2].tolist() == pytest.approx([50, 0])
    assert f1(counts)[:2].tolist() == pytest.approx([100 * 12 / 18, 0])
    assert accuracy(counts)[0].item() == pytest.approx(60)
    assert iou(counts)[2].isnan()
    assert accuracy(counts)[1].isnan()
    assert mean_iou(counts, "zero").item() == pytest.approx(50 / 3)
    assert mean_iou(counts, "skip").item() == pytest.approx(25)


def test_nothing_to_score_is_nan() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.int64)
    assert mean_iou(nothing, "zero").isnan()
    assert mean_iou(nothing, "skip").isnan()
    with pytest.raises((ValueError, TypeError)):
        mean_iou(nothing, "ignore")


def test_counts_stay_exact_above_24_bits() -> None:
    counts = torch.tensor([[2**24, 1, 0]])
    total = counts + torch.tensor([[1, 0, 0]])
    assert total[0, 0].item() == 2**24 + 1
    assert iou(total).item() == pytest.approx(100 * (2**24 + 1) / (2**24 + 2), abs=1e-12)


def test_ids_outside_the_classes_are_named(maps) -> None:
    predictions, labels = maps
    with pytest.raises(ValueError, match=r"labels \[.*7"):
        count(predictions, torch.where(labels == 1, 7, labels), K)
    with pytest.raises(ValueError, match=r"predictions \[-1\]"):
        count(torch.full_like(predictions, -1), labels, K)


def test_scores_equal_the_released_ones() -> None:
    expected = np.load(reference())
    B, classes, H, W = 2, 25, 64, 96
    flat = np.sin(0.21 * (np.arange(B * classes * H * W, dtype=np.float64) + 1) + 0.4)
    logits = torch.from_numpy((3 * flat).reshape(B, classes, H, W).astype(np.float32))
    rows, columns = np.mgrid[:H, :W]
    labels = (rows // 8 + columns // 12) % 24
    labels[:6, :9] = 255
    stacked = torch.from_numpy(np.stack([np.roll(labels, 5 * n, axis=1) for n in range(B)]))
    counts = count(logits.argmax(dim=1), stacked, classes).sum(dim=0)
    for name, score in (("iou", iou(counts)), ("f1", f1(counts)), ("acc", accuracy(counts))):
        np.testing.assert_allclose(score.nan_to_num(), expected[name], atol=0.0051)
        assert class_mean(score, "zero").item() == pytest.approx(expected["m" + name].item(), abs=0.0051)
