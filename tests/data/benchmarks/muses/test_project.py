import multiprocessing
from dataclasses import replace

import pytest

from robustseg.cli import main
from robustseg.data.benchmarks.muses import project_muses, summary
from robustseg.data.benchmarks.muses.raw import RawSensors
from robustseg.recipe import Muses


def test_a_damaged_file_stops_no_other(data, copy):
    path = sorted((copy / "lidar/val").rglob("*.bin"))[1]
    path.write_bytes(bytes(50))
    sorted((copy / "lidar/val").rglob("*.bin"))[0].write_bytes(b"")
    sorted((copy / "radar/val").rglob("*.png"))[0].unlink()
    seen = []
    report = project_muses(data, "val", progress=lambda done, of: seen.append((done, of)))
    assert seen == [(done, 9) for done in range(1, 10)]
    assert [(outcome.path, "no LiDAR scan" in outcome.message) for outcome in report.failed] == [(path, True)]
    lines = list(summary(report))
    assert lines[0] == "7 images projected, 0 were there already"
    assert lines[1].startswith("1 files are missing, the first is ")
    assert lines[2].startswith("1 images show nothing, the first is of ")
    again = project_muses(data, "val")
    assert (again.count("made"), again.count("kept"), len(again.failed)) == (0, 7, 1)


def test_afterwards_training_only_reads(data, monkeypatch):
    from robustseg.data.benchmarks.muses import open_muses

    project_muses(data, "val")
    monkeypatch.setattr(RawSensors, "project", None)
    assert open_muses(data, "val", training=True)[2].images[1:].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use": ("camera",)}, "nothing to project"),
        ({"muses": Muses(source="sdk")}, "only the raw sensors"),
        ({"root": ""}, r"--data\.root"),
    ],
)
def test_where_there_is_nothing_to_do(data, change, message):
    with pytest.raises(ValueError, match=message):
        project_muses(replace(data, **change))


def test_the_command(copy, tmp_path, capsys):
    recipe = tmp_path / "muses.yaml"
    recipe.write_text("name: muses\ndata:\n  kind: muses\n  use: [camera, lidar]\n")
    words = ["data", "project", str(recipe), "--split", "val", f"--data.root={copy}"]
    assert main(words) == 0
    assert "3 images projected" in capsys.readouterr().out
    next((copy / "lidar/val").rglob("*.bin")).write_bytes(bytes(7))
    assert main(words) == 1
    shown = capsys.readouterr()
    assert "0 images projected, 2 were there already" in shown.out
    assert "1 of 3 files could not be projected, the first: " in " ".join(shown.err.split())
    assert main([*words, "--processes", "0"]) == 1


@pytest.mark.slow
def test_two_processes_do_what_one_does(data, tmp_path):
    results = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        report = project_muses(replace(data, muses=Muses(cache=str(folder))), processes=processes)
        assert report.count("made") == 27
        results.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.npz")})
    assert results[0] == results[1]
    assert not multiprocessing.active_children()
