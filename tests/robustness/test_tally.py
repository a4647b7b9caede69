import resource

import numpy as np
import pytest

from robustseg.robustness.tally import Shape, finished, in_folder, in_memory, prepare

SHAPE = Shape(frames=4, rows={"emm": 3, "nm": 2}, classes=5)


def test_a_folder_holds_what_memory_would(tmp_path) -> None:
    prepare(tmp_path / "t", {"seed": 1}, SHAPE)
    tallies = [in_memory(SHAPE), in_folder(tmp_path / "t", SHAPE)]
    for tally in tallies:
        tally.parts["nm"].counts[2, 1] = 7
        tally.parts["emm"].scored[0] = True
        tally.done(2, "a/ö", {"weather": "fog"})
    again = in_folder(tmp_path / "t", SHAPE)
    for protocol in ("emm", "nm"):
        assert (again.parts[protocol].counts == tallies[0].parts[protocol].counts).all()
        assert (again.parts[protocol].scored == tallies[0].parts[protocol].scored).all()
    assert again.parts["nm"].confidence is None
    assert again.parts["emm"].confidence is not None
    assert again.frames == {2: ("a/ö", {"weather": "fog"})}


def test_the_same_plan_goes_on_and_another_starts_over(tmp_path) -> None:
    folder = tmp_path / "t"
    assert prepare(folder, {"seed": 1}, SHAPE) == 0
    tally = in_folder(folder, SHAPE)
    tally.parts["nm"].counts[0] = 3
    tally.done(0, "a", {})
    assert prepare(folder, {"seed": 1}, SHAPE) == 1
    assert in_folder(folder, SHAPE).parts["nm"].counts[0].min() == 3
    assert prepare(folder, {"seed": 2}, SHAPE) == 0
    assert in_folder(folder, SHAPE).parts["nm"].counts.max() == 0


def test_half_a_line_is_no_frame(tmp_path) -> None:
    prepare(tmp_path, {}, SHAPE)
    (tmp_path / "frames-1.jsonl").write_text('[0, "a", {}]\n[1, "b", {"we')
    (tmp_path / "frames-2.jsonl").write_text('[3, "d", {}]\n')
    assert sorted(finished(tmp_path)) == [0, 3]


def test_its_room_on_the_disk_is_taken_at_once(tmp_path) -> None:
    prepare(tmp_path / "t", {}, SHAPE)
    file = (tmp_path / "t" / "emm.counts.npy").stat()
    assert file.st_blocks * 512 >= file.st_size
    assert np.load(tmp_path / "t" / "emm.counts.npy", allow_pickle=False).shape == (4, 3, 5, 3)

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # as a full disk would, a write fails
    try:
        with pytest.raises(OSError, match=r"cannot write .*emm.confidence.npy \(File too large\): make room"):
            prepare(tmp_path / "other", {}, SHAPE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "other").exists()
    assert prepare(tmp_path / "other", {}, SHAPE) == 0
