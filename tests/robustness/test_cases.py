import pytest

from robustseg.failures import FAULTS
from robustseg.modalities import Modality
from robustseg.robustness.cases import CLEAN, PROTOCOLS, ZERO, Variant, parse_state, protocol_cases

RIG = (
    Modality("rgb", sensor="mast", photometric=True),
    Modality("aolp", sensor="mast", kind="polarisation"),
    Modality("lidar", kind="lidar"),
)


def test_missing_modalities_are_removed_zero_or_torn() -> None:
    removed, zero, torn = (protocol_cases(name, RIG)[0] for name in ("emm", "emm_zero", "rmm_0.25"))
    assert [case.present for case in (removed, zero, torn)] == [(True, False, False)] * 3
    assert removed.variants == (CLEAN, None, None)
    assert zero.variants == (CLEAN, ZERO, ZERO)
    assert torn.variants == (CLEAN, *(Variant("elements", amount=0.25),) * 2)
    assert protocol_cases("rmm_pixel_0.75", RIG)[0].variants[1] == Variant("pixels", amount=0.75)


def test_the_full_set_is_clean_in_every_subset_protocol() -> None:
    for name in PROTOCOLS[:8]:
        cases = protocol_cases(name, RIG)
        assert len(cases) == 7
        assert cases[-1].variants == (CLEAN,) * 3


def test_noise_is_everywhere() -> None:
    cases = protocol_cases("nm", RIG)
    assert [case.state for case in cases] == ["low", "mid", "high"]
    assert all(case.variants == (Variant("noise", case.state),) * 3 for case in cases)


def test_a_fault_hits_a_whole_sensor_and_leaves_the_others() -> None:
    cases = {case.state: case for case in protocol_cases("faults", RIG)}
    drift = cases["drift@mast:2"]
    assert drift.variants == (Variant("fault", "drift", 2.0), Variant("fault", "drift", 2.0), CLEAN)
    assert drift.needs == (True, True, False)
    beams = cases["beam_loss@lidar:5"]
    assert beams.variants[:2] == (CLEAN, CLEAN)
    assert "beam_loss@mast:1" not in cases
    assert {parse_state(state)[0] for state in cases} == set(FAULTS)


def test_states_read_back() -> None:
    assert parse_state("noise@front: left:4") == ("noise", "front: left", 4)
    for wrong in ("noise", "noise@lidar", "noise@lidar:x"):
        with pytest.raises(ValueError, match="fault@sensor:severity"):
            parse_state(wrong)


def test_an_unknown_protocol_is_refused() -> None:
    for wrong in ("emmm", "rmm_0.3", "rmm", "emm_one", ""):
        with pytest.raises(ValueError, match="choose of emm, emm_zero"):
            protocol_cases(wrong, RIG)


def test_subsets_that_tell_nothing_are_left_out():
    modalities = [Modality(name) for name in ("before", "after", "later")]
    cases = protocol_cases("emm", modalities, one_of=("after", "later"))
    assert len(cases) == 6
    assert (True, False, False) not in [case.present for case in cases]
    for name in ("emm", "emm_zero", "rmm_0.25", "rmm_pixel_0.25"):  # a frame without what tells something is not scored
        for case in protocol_cases(name, modalities, one_of=("after", "later")):
            assert case.needs == (False, *case.present[1:])
    with pytest.raises(ValueError, match="no modality 'now'; there are before, after, later"):
        protocol_cases("emm", modalities, one_of=("now",))
