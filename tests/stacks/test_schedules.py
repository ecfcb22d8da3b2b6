"""Tests that daily schedules fire every day: EventBridge Scheduler skips local times that a clock change leaves out."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from stacks.offline.recording import Graph
from tests.stacks.graphs import graph_of

SCHEDULE = "aws:scheduler/schedule:Schedule"
DAYS = [date(2026, 1, 1) + timedelta(days) for days in range(3 * 365)]


def local_times(expression: str) -> list[tuple[int, int]]:
    """Return the times (hour, minute) at which a daily cron expression fires."""
    minutes, hours = re.findall(r"[^ (]+", expression)[1:3]
    return [(int(hour), int(minute)) for hour in hours.split(",") for minute in minutes.split(",")]


def shortened_days() -> Iterator[tuple[ZoneInfo, date]]:
    """Yield each time zone with the days on which its clocks may go forward, and the days before these."""
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        noons = [datetime(day.year, day.month, day.day, 12, tzinfo=zone) for day in DAYS]
        for before, after in pairwise(noons):
            if after.utcoffset() > before.utcoffset():  # type: ignore[operator]  # a zone's times have an offset
                yield from ((zone, before.date()), (zone, after.date()))


def exists(zone: ZoneInfo, day: date, hour: int, minute: int) -> bool:
    there = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    return there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == there.replace(tzinfo=None)


@pytest.fixture(scope="module")
def daily() -> dict[str, list[tuple[int, int]]]:
    """Return the times (hour, minute) of dev's and prod's daily schedules, by schedule name."""
    graphs: list[Graph] = [graph_of("dev"), graph_of("prod")]
    expressions = {
        schedule.name: schedule.inputs["scheduleExpression"] for graph in graphs for schedule in graph.of(SCHEDULE)
    }
    return {name: local_times(at) for name, at in expressions.items() if not re.match(r"cron\(\S+ \*", at)}


def test_each_daily_schedule_fires_on_each_day_of_every_zone(daily: dict[str, list[tuple[int, int]]]) -> None:
    assert {"nightly-rewards", "warehouse-load", "previews-expired", "pods-rebuilt"} <= set(daily)
    days = list(shortened_days())
    assert {"America/Havana", "Africa/Cairo", "Europe/Athens"} <= {zone.key for zone, _ in days}
    for name, times in daily.items():
        assert not [
            (name, zone.key, str(day)) for zone, day in days if not any(exists(zone, day, *time) for time in times)
        ]


def test_the_nightly_calculation_begins_with_the_day_or_at_its_first_hour(
    daily: dict[str, list[tuple[int, int]]],
) -> None:
    assert daily["nightly-rewards"]
    for zone, day in shortened_days():
        first = next(hour for hour in range(24) if exists(zone, day, hour, 0))
        assert (first, 0) in daily["nightly-rewards"], zone
