"""Tests of the scenes' data, and of the model's inputs from the graph; without a cluster."""

import pytest

from tests.rehearsal.happenings import Happenings
from tests.rehearsal.play import DIGESTS
from tests.rehearsal.scene import scenes
from tests.rehearsal.stage_data import figures
from tests.rehearsal.verdicts import RULES

SCENES = sorted(scenes())


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_names_rules_and_events_that_exist(name: str) -> None:
    scene = scenes()[name]
    assert scene.holds.keys() <= RULES.keys()
    assert scene.holds
    assert [event.at for event in scene.events] == sorted(event.at for event in scene.events)
    for event in scene.events:
        assert callable(getattr(Happenings, event.does))
        assert event.at < scene.seconds
        assert event.to in {"", *figures().nodes.zones, *DIGESTS}


@pytest.mark.parametrize("name", SCENES)
def test_load_runs_through_the_points_of_a_scene(name: str) -> None:
    scene = scenes()[name]
    assert [scene.offered_at(second) for second, _ in scene.offered] == [requests for _, requests in scene.offered]
    assert scene.offered_at(scene.seconds + 1) == scene.offered[-1][1]
