import numpy as np
import pytest
import torch

from robustseg.deploy.answering import Answer
from robustseg.deploy.tiling import STEP, assembled, bytes_needed, most_pixels, resized_answer, tiles


@pytest.mark.parametrize("size", [(128, 128), (129, 127), (40, 4000), (500, 300), (1024, 2049), (161, 128)])
def test_tiles_own_every_pixel_once_and_see_around_it(size: tuple[int, int]) -> None:
    owners = np.zeros(size, int)
    for tile in (cut := tiles(size, 128 * 128)):
        owners[slice(*tile.own_rows), slice(*tile.own_columns)] += 1
        for seen, own, length in ((tile.rows, tile.own_rows, size[0]), (tile.columns, tile.own_columns, size[1])):
            assert seen[0] % STEP == 0
            assert 0 <= seen[0] <= own[0] < own[1] <= seen[1] <= length
            if len(cut) > 1:
                assert tile.size[0] * tile.size[1] <= 128 * 128
                assert own[0] - seen[0] >= 16 or own[0] == 0
                assert seen[1] - own[1] >= 16 or own[1] == length
    assert (owners == 1).all()


def test_what_tiles_say_of_the_place_is_put_together() -> None:
    """Of pictures of coordinates, cut and put together again, nothing is lost."""
    size = (300, 200)
    picture = torch.arange(300 * 200.0).reshape(size)
    classes = (picture % 7).to(torch.uint8)
    parts = (
        (t, Answer(t.cut(classes), t.cut(picture), torch.stack([t.cut(picture)] * 3), {"rgb": t.cut(-picture)}))
        for t in tiles(size, 128 * 128)
    )
    whole = assembled(parts, size)
    assert torch.equal(whole.labels, classes)
    assert torch.equal(whole.confidence, picture)
    assert torch.equal(whole.probabilities, torch.stack([picture] * 3))
    assert torch.equal(whole.worth["rgb"], -picture)
    with pytest.raises(ValueError, match="at least one tile"):
        assembled([], size)


def test_answers_at_another_size() -> None:
    labels = torch.tensor([[0, 1], [2, 3]], dtype=torch.uint8)
    answer = Answer(labels, labels / 4, None, {})
    assert resized_answer(answer, (2, 2)) is answer
    larger = resized_answer(answer, (4, 4))
    assert torch.equal(larger.labels, labels.repeat_interleave(2, 0).repeat_interleave(2, 1))
    assert larger.confidence[0].tolist() == [0.0, 0.0625, 0.1875, 0.25]


def test_tiles_are_as_tall_as_the_frame_where_that_is_not_too_narrow() -> None:
    assert {tile.rows for tile in tiles((128, 1000), 128 * 128)} == {(0, 128)}
    assert {tile.size[0] for tile in tiles((150, 1000), 128 * 128)} == {150}
    assert max(tile.size for tile in tiles((1024, 1024), 128 * 128)) == (128, 128)


def test_the_largest_tile_fits(toy_model) -> None:
    for memory in (1e8, 1e9, 4e9):
        pixels = most_pixels(toy_model.card, memory)
        assert bytes_needed(toy_model.card, pixels) <= memory < bytes_needed(toy_model.card, pixels + 2)
