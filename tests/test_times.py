"""Tests of whole hours in time zones, also with offsets of half or quarter hours and changes by an hour or less."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.times import AN_HOUR, hour_after, hour_of, whole_hour_from

ZONES = [
    ZoneInfo(name)
    for name in ("UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns")
]
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  bounds are naive
CHANGES = [
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe: half an hour back
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # and forward
    datetime(2026, 3, 8, 7, tzinfo=UTC),  # New York: forward
    datetime(2026, 11, 1, 6, tzinfo=UTC),  # and back
]
NEAR = st.builds(
    lambda change, minutes: change + minutes * timedelta(minutes=1), st.sampled_from(CHANGES), st.integers(-300, 300)
)


@given(st.sampled_from(ZONES), INSTANTS | NEAR)
def test_an_instants_hour_is_the_one_that_its_local_clock_shows(zone: ZoneInfo, instant: datetime) -> None:
    hour, local = hour_of(instant, zone), instant.astimezone(zone)
    assert hour.tzinfo is UTC
    assert instant - hour == timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    assert hour <= instant < hour + AN_HOUR


@given(st.sampled_from(ZONES), INSTANTS | NEAR, st.integers(0, 180))
def test_the_hours_follow_each_other_and_none_is_left_out(zone: ZoneInfo, instant: datetime, minutes: int) -> None:
    later = instant + timedelta(minutes=minutes)
    hour, steps = hour_of(instant, zone), 0
    while hour < hour_of(later, zone):
        hour, steps = hour_after(hour + timedelta(minutes=59), zone), steps + 1
    assert hour == hour_of(later, zone)
    assert steps <= 5


@given(st.sampled_from(ZONES), INSTANTS | NEAR)
def test_a_span_begins_with_the_first_hour_that_begins_within(zone: ZoneInfo, instant: datetime) -> None:
    first = whole_hour_from(instant, zone)
    assert instant <= first < instant + AN_HOUR
    assert whole_hour_from(first, zone) == first


@pytest.mark.parametrize(
    ("zone", "minute"), [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15), ("Australia/Lord_Howe", 0), ("Etc/UTC", 0)]
)
def test_hours_begin_where_the_zones_own_do(zone: str, minute: int) -> None:
    assert hour_of(datetime(2026, 1, 1, 18, 50, tzinfo=UTC), ZoneInfo(zone)).minute == minute
