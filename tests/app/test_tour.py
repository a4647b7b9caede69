import pytest

from robustseg.app.tour import ALL, chosen_frames, conditions, following

SEQUENCES = ("a", "a", "a", "b", "b", "", "")


def walk(start: int, frames: tuple[int, ...], within: bool, step: int = 1) -> list[int]:
    found = [start]
    for _ in range(4):
        found.append(following(found[-1], frames, SEQUENCES, within=within, step=step))
    return found


@pytest.mark.parametrize(
    ("start", "frames", "within", "step", "expected"),
    [
        (5, tuple(range(7)), False, 1, [5, 6, 0, 1, 2]),
        (1, tuple(range(7)), False, -1, [1, 0, 6, 5, 4]),
        (1, tuple(range(7)), True, 1, [1, 2, 0, 1, 2]),
        (4, tuple(range(7)), True, -1, [4, 3, 4, 3, 4]),
        (0, (1, 3, 4), True, 1, [0, 0, 0, 0, 0]),
        (1, (1, 3, 4), True, 1, [1, 2, 1, 2, 1]),
        (5, tuple(range(7)), True, 1, [5, 6, 0, 1, 2]),
    ],
)
def test_walks(start, frames, within, step, expected) -> None:
    assert walk(start, frames, within, step) == expected


def test_tags_that_tell_frames_apart_are_no_conditions() -> None:
    tags = [{"id": str(place), "camera": "one", "weather": "fog" if place % 2 else ""} for place in range(20)]
    assert conditions(tags) == (ALL,)
    assert conditions([]) == (ALL,)


def test_frames_of_a_condition() -> None:
    tags = [{"weather": "fog"}, {}, {"light": "fog", "weather": "sun"}, {"weather": "fog"}]
    assert chosen_frames(4, tags, "weather: fog") == (0, 3)
    assert chosen_frames(4, tags, ALL) == chosen_frames(4, (), "gone") == (0, 1, 2, 3)
