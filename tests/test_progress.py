"""Where no bar can be drawn, a line says now and then how far it is."""

from robustseg import progress
from robustseg.progress import progress_bar, tracked


def test_a_log_gets_a_line_after_every_pause(monkeypatch, capsys):
    clock = iter([0.0, *(10.0 * step for step in range(1, 11))])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress_bar("reading [bold]") as report:
        for done in range(1, 11):
            report(done, 10)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"reading [bold]: {done} of 10, about {left} minutes left" for done, left in ((3, 1), (6, 1), (9, 0))
    ]


def test_what_is_quick_says_nothing(capsys):
    assert list(tracked("reading")("abc")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""
