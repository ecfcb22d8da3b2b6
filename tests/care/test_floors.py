"""Tests of how many pods services have at least, from a plan of floors with their ends."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.care.floors import Floor, now_least, read

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
USUAL = {"catalog": (3, 30), "orders": (2, 10)}
times = st.integers(-100, 100).map(lambda minutes: NOW + timedelta(minutes=minutes))
floors = st.lists(st.builds(Floor, st.sampled_from(["catalog", "orders", "gone"]), st.integers(0, 100), times, times))


@given(floors)
def test_a_minimum_is_the_usual_or_what_the_highest_floor_of_now_asks_for_within_the_maximum(plan: list[Floor]) -> None:
    least = now_least(plan, USUAL, NOW)
    assert least.keys() == USUAL.keys()
    for service, (usual, most) in USUAL.items():
        asked_for = [each.replicas for each in plan if each.service == service and each.since <= NOW < each.until]
        assert least[service] == max([usual, *(min(most, replicas) for replicas in asked_for)])


@given(floors)
def test_all_floors_fall_though_nobody_plans_any_more(plan: list[Floor]) -> None:
    end = max((each.until for each in plan), default=NOW)
    assert now_least(plan, USUAL, end) == {"catalog": 3, "orders": 2}


def test_a_plan_is_read_as_it_is_written() -> None:
    row = {"service": "catalog", "replicas": 24, "since": "2026-11-27T12:00:00+00:00", "until": "2026-11-27T14:00Z"}
    (floor,) = read(json.dumps({"made": "2026-11-27T11:55:00+00:00", "floors": [{**row, "why": "a sale"}]}))
    assert floor == Floor("catalog", 24, NOW, NOW + timedelta(hours=2))


@pytest.mark.parametrize("document", ["", "[]", "{}", '{"floors": 3}', '{"floors": [{}]}', '{"floors": [3]}'])
def test_another_document_is_an_error(document: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        read(document)
