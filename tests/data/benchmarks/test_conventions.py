"""Habits of published code: each has a name, belongs to benchmarks, and is switched on alone or with all others."""

from typing import get_args

import pytest

from robustseg.data.benchmarks.conventions import CONVENTIONS, habit_note, habits, true_split
from robustseg.recipe import BENCHMARKS, Data, Habit


def test_every_habit_is_explained_once():
    assert [entry.name for entry in CONVENTIONS] == list(get_args(Habit))
    assert all(entry.changes and entry.tables and set(entry.benchmarks) <= set(BENCHMARKS) for entry in CONVENTIONS)


@pytest.mark.parametrize("kind", BENCHMARKS)
def test_strict_has_none_and_published_all(kind):
    assert habits(Data(kind=kind)) == frozenset()
    every = {entry.name for entry in CONVENTIONS if kind in entry.benchmarks}
    assert habits(Data(kind=kind, conventions="published")) == every
    for name in every:
        assert habits(Data(kind=kind, habits=(name,))) == {name}
    for name in set(get_args(Habit)) - every:
        with pytest.raises(ValueError, match=f"{name} is no habit of {kind}"):
            habits(Data(kind=kind, habits=(name,), conventions="published"))


def test_other_data_have_no_habits():
    assert habits(Data()) == frozenset()
    assert habit_note(Data(), "val") == ""


def test_tables_can_say_that_val_is_test():
    published = Data(kind="mcubes", conventions="published")
    assert (true_split(published, "val"), true_split(published, "train")) == ("test", "train")
    assert true_split(Data(kind="mcubes"), "val") == "val"
    note = habit_note(published, "val")
    assert note.endswith("val is the benchmark's test split")
    assert "centre_crop" in note
    assert "benchmark's" not in habit_note(published, "test")
