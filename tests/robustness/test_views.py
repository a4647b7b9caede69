import pytest
import torch
from torch.nn.functional import interpolate

from robustseg.modalities import Modality
from robustseg.normalisation import normalise
from robustseg.recipe import Scoring
from robustseg.robustness.views import View, frame_views, merged, mirrored, shown, windows

RGB = Modality("rgb", mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 5.0))


def test_windows_cover_every_pixel_and_stay_inside() -> None:
    seen = torch.zeros(100, 130)
    for top, left, bottom, right in windows((100, 130), Scoring(window=(48, 64), overlap=0.25)):
        assert 0 <= top < bottom <= 100
        assert 0 <= left < right <= 130
        assert (bottom - top, right - left) == (48, 64)
        seen[top:bottom, left:right] += 1
    assert seen.min() == 1
    assert windows((40, 50), Scoring(window=(64, 64))) == ((0, 0, 40, 50),)


def test_one_whole_view_is_the_plain_prediction() -> None:
    (view,) = frame_views(Scoring(), (40, 60))
    logits = torch.randn(2, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    assert view.whole
    assert merged([view], lambda _view, size: interpolate(logits, size), (40, 60)).equal(logits)


def test_a_function_of_the_place_is_put_together_again() -> None:
    """Each view predicts from what it shows; where that is local, tiling and mirroring must change nothing."""
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    plain = image.softmax(dim=1)
    views = frame_views(Scoring(flip=True, window=(32, 48), overlap=0.5), (64, 96))
    assert len(views) == 2 * 9
    found = merged(views, lambda view, _size: shown(image, view, Modality("x")), (64, 96))
    assert found.exp().allclose(plain, atol=1e-6)


def test_probabilities_of_scales_are_averaged() -> None:
    views = frame_views(Scoring(scales=(1.0, 0.5)), (64, 64))
    assert [view.size for view in views] == [(64, 64), (32, 32)]
    logits = {(64, 64): torch.tensor([0.0, 1.0]), (32, 32): torch.tensor([2.0, -1.0])}
    found = merged(views, lambda view, size: logits[view.size][None, :, None, None].expand(1, 2, *size), (64, 64))
    expected = torch.stack([value.softmax(dim=0) for value in logits.values()]).mean(dim=0)
    assert found[0, :, 5, 7].exp().tolist() == pytest.approx(expected.tolist())


def test_mirroring_knows_the_sign_of_angles() -> None:
    image = torch.randn(1, 1, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    angle = Modality("aolp", mean=RGB.mean, std=RGB.std, mirror=(-1.0, 1.0, -1.0))
    turned = image.flip(-1) * torch.tensor(angle.mirror)[:, None, None]
    expected = normalise(turned, [angle])[0]
    assert mirrored(normalise(image, [angle])[0], angle).allclose(expected, atol=1e-6)
    assert mirrored(image[0], RGB).equal(image[0].flip(-1))


def test_sparse_images_are_not_blended() -> None:
    image = torch.zeros(1, 3, 64, 64)
    image[..., ::7, ::5] = 9.0
    view = View((48, 32), False, (0, 0, 48, 32))
    assert set(shown(image, view, Modality("lidar", resample="nearest")).unique().tolist()) == {0.0, 9.0}
    assert len(shown(image, view, RGB).unique()) > 2
