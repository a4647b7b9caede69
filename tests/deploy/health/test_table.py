import pytest

from robustseg.deploy.health import learn_health, learned_table
from robustseg.deploy.health.fitting import influence
from robustseg.deploy.predictor import Predictor


def test_the_table_is_what_a_loop_over_the_images_finds(toy_model, toy_frames) -> None:
    learner = learn_health(Predictor(toy_model), toy_frames(number=6), limit=4)
    profiles = learner.profiles()
    grid = learned_table(learner, profiles)
    assert [row[0] for row in grid.rows] == list(profiles)
    for row, found in zip(grid.rows, learner.examples, strict=True):
        profile = profiles[str(row[0])]
        counts = {"healthy": [0, 0, 0], "broken": [0, 0, 0]}
        regained = 0.0
        faults = [*found.fault, *([""] * len(found.aside))]
        for place, (statistics, fault) in enumerate(zip([*found.seen, *found.aside], faults, strict=True)):
            sick, unlike = profile.unhealthy(*profile.told(statistics), profile.distance(statistics))
            entry = counts["broken" if fault else "healthy"]
            entry[0] += 1
            entry[1] += bool(unlike)
            entry[2] += bool(sick)
            if fault and sick:
                regained += float(influence(found.change[place], learner.total / learner.frames))
        expected = [
            value
            for images, unlike, sick in counts.values()
            for value in (images, 100 * unlike / images, 100 * sick / images)
        ]
        assert list(row[1:7]) == pytest.approx(expected)
        assert row[7] == pytest.approx(regained / counts["broken"][0], abs=1e-4)
