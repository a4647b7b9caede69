from dataclasses import replace

import numpy as np
import pytest
import torch

from robustseg.deploy import Predictor
from robustseg.metrics import count, mean_iou
from robustseg.modalities import Modality
from robustseg.recipe import Scoring
from robustseg.report.frames.choice import Choice
from robustseg.report.frames.seen import predict_states, see_frames, state_scores, states
from robustseg.robustness import evaluate


def test_every_state_is_what_the_predictor_says(toy_model, toy_frames) -> None:
    frames = toy_frames()
    maps = predict_states(toy_model, frames, frames[0], 0, scoring=Scoring(), size=(32, 48))
    assert list(maps) == ["100", "010", "001", "110", "101", "011", "111"]
    for word, labels in maps.items():
        present = torch.tensor([digit == "1" for digit in word])
        np.testing.assert_array_equal(labels, Predictor(toy_model).predict(frames[0].images, present).labels)


def test_a_picture_is_scored_as_its_numbers_are(toy_model, toy_frames) -> None:
    frames, scoring = toy_frames(), Scoring(scales=(1.0, 1.5), flip=True)
    maps = predict_states(toy_model, frames, frames[1], 1, scoring=scoring, size=(32, 48))
    found = evaluate(toy_model, frames, scoring=scoring)
    for labels, counts in zip(maps.values(), found.counts[1], strict=True):
        assert counts.equal(count(torch.from_numpy(labels.astype(np.int64))[None], frames[1].labels[None], 4)[0])


def test_what_a_frame_lacks_changes_nothing(toy_model, toy_frames) -> None:
    frames = toy_frames()
    maps = predict_states(toy_model, frames, frames[4], 4, scoring=Scoring(), size=(32, 48))  # it has nothing but lidar
    assert sorted(maps) == ["001", "011", "101", "111"]
    assert all(np.array_equal(labels, maps["001"]) for labels in maps.values())


def test_a_sensor_is_switched_with_all_it_feeds() -> None:
    camera = [Modality("rgb", sensor="camera"), Modality("aolp", sensor="camera"), Modality("nir")]
    found = {word: row.tolist() for word, row in states(camera).items()}
    assert found == {"10": [True, True, False], "01": [False, False, True], "11": [True, True, True]}
    many = states([Modality(f"m{place}") for place in range(8)])
    assert len(many) == 17
    assert len(states([Modality(f"m{place}") for place in range(6)])) == 63


def test_scores_are_those_of_the_evaluation(toy_model, toy_frames) -> None:
    frames = toy_frames()
    found = evaluate(toy_model, frames)
    scores = state_scores(found, 2)
    maps = predict_states(toy_model, frames, frames[2], 2, scoring=Scoring(), size=(32, 48))  # it lacks depth
    for word, labels in maps.items():
        counts = count(torch.from_numpy(labels.astype(np.int64))[None], frames[2].labels[None], 4)
        assert scores[word] == pytest.approx(mean_iou(counts, "skip").item(), abs=0.06)
    assert scores["010"] is None


def test_states_that_split_a_sensor_have_no_score(toy_model, toy_frames) -> None:
    found = evaluate(toy_model, toy_frames(number=1))
    assert list(state_scores(replace(found, sensors=("camera", "camera", "lidar")), 0)) == ["01", "10", "11"]


def test_frames_are_seen_by_all_models(toy_model, toy_frames) -> None:
    frames = toy_frames()
    found = evaluate(toy_model, frames)
    steps = []
    models, evaluations = {"a": toy_model, "b": toy_model}, {"a": found, "b": found}
    seen = see_frames(
        models,
        evaluations,
        frames,
        [Choice(4, "lidar", 1.0)],
        scoring=Scoring(),
        progress=lambda *step: steps.append(step),
    )
    assert steps == [(1, 1)]
    assert [picture is None for picture in seen[0].inputs] == [True, True, False]
    assert seen[0].truth.shape == (32, 48)
    assert list(seen[0].maps) == ["a", "b"]


def test_other_data_than_were_evaluated_are_refused(toy_model, toy_frames) -> None:
    found = evaluate(toy_model, toy_frames())
    renamed = replace(found, frames=("x", *found.frames[1:]))
    with pytest.raises(ValueError, match=r"frame 0 is drive/0000, but a was evaluated on x there"):
        see_frames({"a": toy_model}, {"a": renamed}, toy_frames(), [Choice(0, "lidar", 1.0)], scoring=Scoring())
    with pytest.raises(ValueError, match="the data have 2 frames, fewer than were evaluated"):
        see_frames({"a": toy_model}, {"a": found}, toy_frames(number=2), [Choice(5, "lidar", 1.0)], scoring=Scoring())
