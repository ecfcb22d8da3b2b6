"""Tests of the nightly calculation: the same result if late, repeated or concurrent, and with odd midnights."""

import json
from datetime import UTC, date, datetime, timedelta
from threading import Barrier, Thread
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from app import terminal
from app.clock import local_date
from app.db import WriteSession
from app.errors import BadInput, FieldError
from app.functions import nightly_rewards
from app.night import service as nightly
from app.offers import due
from app.offers.models import Period, Subscription
from app.offers.subscription_states import SubscriptionState
from app.processes import FUNCTIONS
from app.wallet.models import LotState
from tests.conftest import Run, refused, table_rows
from tests.shop import Shop

MONDAY = date(2026, 3, 2)  # the clock's first day


def test_only_what_is_due_is_confirmed_and_can_be_spent(shop: Shop) -> None:
    member = shop.member()
    shop.order(member, (shop.product(return_window_days=1), 1), (shop.product(return_window_days=2), 2))
    shop.tomorrow()
    report = shop.night()
    assert (report.business_date, report.confirmed_lots, report.confirmed_points) == (date(2026, 3, 3), 1, 5)
    assert (report.oldest_due, report.expired_lots, report.renewed, report.lapsed) == (date(2026, 3, 3), 0, 0, 0)
    assert shop.wallet(member) == (10, 5)
    assert [lot.state for lot in shop.lots(member)] == [LotState.CONFIRMED, LotState.PENDING]
    assert shop.disagreements() == []


def test_a_day_to_come_is_refused_and_nothing_is_written(shop: Shop) -> None:
    shop.order(shop.member(), (shop.product(return_window_days=1), 1))
    before = shop.counts()
    with pytest.raises(BadInput, match="2026-03-03 has not come yet: it is 2026-03-02 in America/New_York") as refusal:
        shop.night(date(2026, 3, 3))
    assert refusal.value.errors == [FieldError("date", "future", "name today or a day before")]
    assert shop.counts() == before
    shop.clock.instant = datetime(2026, 3, 3, 4, 59, 59, tzinfo=UTC)
    with pytest.raises(BadInput):
        shop.night(date(2026, 3, 3))
    shop.clock.advance(seconds=1)
    assert shop.night(date(2026, 3, 3)).confirmed_lots == 1


def test_a_day_of_the_past_confirms_what_was_due_by_then_alone(shop: Shop) -> None:
    member = shop.member()
    shop.order(member, (shop.product(return_window_days=1), 1), (shop.product(return_window_days=4), 1))
    shop.tomorrow(6)
    assert shop.wallet(member) == (0, 10)  # dates decide: both can be spent, though no night came
    assert [shop.night(day).confirmed_lots for day in (date(2026, 3, 4), None)] == [1, 1]
    assert shop.wallet(member) == (0, 10)


_JOURNALED = """SELECT data->>'what', count(DISTINCT lot) FROM journal_revisions,
                       json_array_elements(data->'items') AS item, json_array_elements_text(item->'lots') AS lot
                WHERE table_name = 'nightly' GROUP BY 1"""


def on_time(shop: Shop, _: pytest.MonkeyPatch) -> None:
    for _day in range(9):
        shop.tomorrow()
        shop.night()


def late(shop: Shop, _: pytest.MonkeyPatch) -> None:
    shop.tomorrow(9)
    shop.night()


def twice(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    late(shop, monkeypatch)
    again = shop.night()
    assert (again.confirmed_lots, again.expired_lots, again.oldest_due) == (0, 0, None)


def two_at_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "LOTS_A_TRANSACTION", 1)
    shop.tomorrow(9)
    start, confirmed = Barrier(2), []

    def run() -> None:
        start.wait()
        confirmed.append(shop.night().confirmed_lots)

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(confirmed) == 12


@pytest.mark.parametrize("way", [on_time, late, twice, two_at_once])
def test_late_twice_or_two_at_once_it_ends_in_the_same_state(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, way: Any
) -> None:
    """Four members each have lots of 5, 10 and 15 points, confirmed on day 1, 2 and 9; lots expire after 5 days."""
    # Trial 11
    shop.program(expire_after_days=5)
    lines = [(shop.product(return_window_days=days), units) for days, units in ((1, 1), (2, 2), (9, 3))]
    members = shop.members(4)
    for member in members:
        shop.order(member, *lines)
    way(shop, monkeypatch)
    for member in members:
        assert shop.wallet(member) == (0, 15)
        assert [(lot.state, lot.points, lot.unspent, lot.expires_on) for lot in shop.lots(member)] == [
            (LotState.EXPIRED, 5, 0, date(2026, 3, 8)),
            (LotState.EXPIRED, 10, 0, date(2026, 3, 9)),
            (LotState.CONFIRMED, 15, 15, date(2026, 3, 16)),
        ]
    assert (shop.balance("breakage"), shop.balance("vendor_funding")) == (60, -120)
    with shop.db.read() as session:
        moved = session.rows("SELECT kind, count(*), sum(points) FILTER (WHERE points > 0) FROM postings GROUP BY 1")
        journaled = session.rows(_JOURNALED)
    assert {kind: points for kind, _, points in moved} == {"earn": 120, "confirm": 120, "expire": 60}
    assert dict(journaled) == {"confirmed": 12, "expired": 8}
    assert shop.disagreements() == []


def test_what_a_change_writes_first_is_journaled_as_the_night_does(shop: Shop) -> None:
    shop.program(expire_after_days=5)
    member = shop.member()
    shop.order(member, *[(shop.product(return_window_days=days), 1) for days in (1, 2, 9)])
    shop.tomorrow(9)
    shop.cash_back(member, 5)
    with shop.db.read() as session:
        assert dict(session.rows(_JOURNALED)) == {"confirmed": 3, "expired": 2}
    assert shop.disagreements() == []


def test_what_is_due_at_once_is_journaled_with_the_day_in_the_programs_zone(shop: Shop) -> None:
    shop.clock.instant = datetime(2026, 3, 3, 4, 59, tzinfo=UTC)  # in New York still the 2nd
    member = shop.member()
    (lot,) = shop.order(member, (shop.product(return_window_days=0), 1)).lots
    with shop.db.read() as session:
        data = session.value("SELECT data FROM journal_revisions WHERE table_name = 'nightly'")
    (item,) = data["items"]
    assert (data["what"], data["businessDate"], str(lot.lot_id) in str(item)) == ("confirmed", "2026-03-02", True)


@pytest.mark.parametrize(
    ("zone", "day", "begins"),
    [
        # Midnight does not exist: the day begins at one.
        ("Africa/Cairo", date(2026, 4, 24), datetime(2026, 4, 23, 22, tzinfo=UTC)),
        ("America/Havana", date(2026, 3, 8), datetime(2026, 3, 8, 5, tzinfo=UTC)),
        ("America/Santiago", date(2026, 9, 6), datetime(2026, 9, 6, 4, tzinfo=UTC)),
        ("Asia/Beirut", date(2026, 3, 29), datetime(2026, 3, 28, 22, tzinfo=UTC)),
        # Midnight comes twice.
        ("America/Havana", date(2026, 11, 1), datetime(2026, 11, 1, 4, tzinfo=UTC)),
    ],
)
def test_a_day_whose_midnight_is_missing_or_comes_twice_is_calculated_once(
    shop: Shop, zone: str, day: date, begins: datetime
) -> None:
    # Trial 12
    shop.program(time_zone=zone)
    member = shop.member()
    shop.clock.instant = begins - timedelta(days=3, hours=12)
    placed = shop.order(member, (shop.product(return_window_days=(day - placed_on(shop)).days), 1))
    assert placed.lots[0].matures_on == day
    shop.clock.instant = begins - timedelta(seconds=1)
    assert placed_on(shop) == day - timedelta(days=1)
    assert shop.night().confirmed_lots == 0
    with pytest.raises(BadInput):
        shop.night(day)
    for hours, confirmed in ((0, 1), (1, 0), (2, 0), (12, 0)):
        shop.clock.instant = begins + timedelta(hours=hours)
        report = shop.night()
        assert (report.business_date, report.confirmed_lots) == (day, confirmed)
    assert shop.wallet(member) == (0, 5)


def placed_on(shop: Shop) -> date:
    with shop.db.read() as session:
        return local_date(shop.clock.now(), ZoneInfo(session.value("SELECT time_zone FROM program")))


def test_what_is_unspent_of_an_expired_lot_goes_to_breakage(shop: Shop) -> None:
    shop.program(expire_after_days=30)
    member = shop.with_points(100)
    shop.cash_back(member, 70)
    shop.tomorrow(29)
    assert shop.night().expired_lots == 0
    shop.tomorrow()
    report = shop.night()
    assert (report.expired_lots, report.expired_points) == (1, 30)
    assert (shop.wallet(member), shop.balance("breakage")) == ((0, 0), 30)
    assert [(lot.state, lot.points, lot.unspent) for lot in shop.lots(member)] == [(LotState.EXPIRED, 100, 0)]
    assert shop.disagreements() == []


def test_points_of_a_program_without_expiry_stay(shop: Shop) -> None:
    shop.program(expire_after_days=None)
    member = shop.with_points(10)
    shop.tomorrow(10_000)
    shop.night()
    assert shop.wallet(member) == (0, 10)


def subscribed(shop: Shop, points: int, period: Period = Period.MONTH) -> UUID:
    """Return a member with points who subscribed on 2 March to an offer of 40 points a period."""
    member = shop.with_points(points)
    shop.subscribe(member, shop.offer(Subscription(points=40, period=period)))
    return member


def test_a_subscription_renews_each_month_and_lapses_when_the_points_are_gone(shop: Shop) -> None:
    member = subscribed(shop, 100)
    outcomes = []
    for day in (date(2026, 4, 1), date(2026, 4, 2), date(2026, 4, 2), date(2026, 5, 2), date(2026, 6, 2)):
        shop.clock.instant = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        report = shop.night()
        outcomes.append((report.renewed, report.lapsed, shop.wallet(member)[1]))
    assert outcomes == [(0, 0, 60), (1, 0, 20), (0, 0, 20), (0, 1, 20), (0, 0, 20)]
    only = shop.subscriptions(member)
    assert [(subscription.state, subscription.paid_until) for subscription in only] == [
        (SubscriptionState.LAPSED, date(2026, 5, 2))
    ]
    assert shop.disagreements() == []


def test_a_subscription_by_the_year_is_paid_by_the_year(shop: Shop) -> None:
    member = subscribed(shop, 100, Period.YEAR)
    assert [subscription.paid_until for subscription in shop.subscriptions(member)] == [date(2027, 3, 2)]


def test_a_cancelled_subscription_runs_out_and_costs_nothing_more(shop: Shop) -> None:
    member = subscribed(shop, 100)
    shop.cancel(shop.subscriptions(member)[0])
    shop.tomorrow(30)
    shop.night()
    assert [subscription.state for subscription in shop.subscriptions(member)] == [SubscriptionState.CANCELLED]
    earned = [lot.points for lot in shop.order(member, (shop.product(), 2)).lots]
    assert earned == [10, 5]  # still half as much again
    shop.tomorrow(1)
    assert (shop.night().lapsed, shop.wallet(member)[1]) == (1, 60)
    assert [subscription.state for subscription in shop.subscriptions(member)] == [SubscriptionState.ENDED]


def test_two_nights_at_once_renew_once(shop: Shop) -> None:
    member = subscribed(shop, 200)
    shop.tomorrow(31)
    start, renewed = Barrier(2), []

    def run() -> None:
        start.wait()
        renewed.append(shop.night().renewed)

    threads = [Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(renewed), shop.wallet(member)) == (1, (0, 120))


def test_a_late_run_renews_with_points_that_were_there_on_the_day(shop: Shop) -> None:
    """A subscription renews on 2 April with points that expire on the 4th, though the calculation runs on the 10th."""
    shop.program(expire_after_days=33)
    member = subscribed(shop, 80)
    shop.clock.instant = datetime(2026, 4, 10, 12, tzinfo=UTC)
    shop.night()
    only = shop.subscriptions(member)
    assert [(subscription.state, subscription.paid_until) for subscription in only] == [
        (SubscriptionState.ACTIVE, date(2026, 5, 2))
    ]


@pytest.fixture
def handler(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(nightly_rewards, "database", lambda: shop.under(FUNCTIONS["nightly-rewards"].login))
    monkeypatch.setattr(nightly_rewards, "clock", lambda: shop.clock)
    return nightly_rewards.handler


def test_the_scheduled_function_calculates_today_or_the_day_that_is_named(shop: Shop, handler: Any) -> None:
    member = shop.member()
    shop.order(member, (shop.product(return_window_days=1), 1), (shop.product(return_window_days=3), 1))
    shop.tomorrow(3)
    first = handler({"date": "2026-03-04"}, None)
    assert (first["business_date"], first["confirmed_lots"], first["oldest_due"]) == ("2026-03-04", 1, "2026-03-03")
    assert handler({}, None)["confirmed_lots"] == 1
    assert handler({}, None)["confirmed_lots"] == 0
    assert json.loads(json.dumps(first)) == first  # Lambda answers in JSON
    assert shop.wallet(member) == (0, 10)
    with pytest.raises(BadInput):
        handler({"date": "2026-03-06"}, None)


def test_the_scheduled_function_answers_null_where_nothing_was_due(shop: Shop, handler: Any) -> None:
    assert handler({}, None)["oldest_due"] is None


def test_the_scheduled_function_forgets_keys_that_are_past_their_day(shop: Shop, handler: Any) -> None:
    with shop.db.write() as session:
        remember(session, "old", shop.clock.now())
    shop.tomorrow()
    shop.clock.advance(seconds=1)
    with shop.db.write() as session:
        remember(session, "new", shop.clock.now())
    handler({}, None)
    with shop.db.read() as session:
        assert session.rows("SELECT key FROM idempotency_keys") == [("new",)]


def remember(session: WriteSession, key: str, at: datetime) -> None:
    session.run(
        """INSERT INTO idempotency_keys (caller, key, body_hash, status, answer, answered_at)
           VALUES ('someone', %s, '', 201, '{}', %s)""",
        (key, at),
    )


def test_analysts_see_what_each_run_did(shop: Shop) -> None:
    shop.order(shop.member(), (shop.product(return_window_days=1), 1))
    shop.tomorrow()
    shop.night()
    shop.night()
    with shop.db.read() as session:
        assert [run.confirmed_lots for run in nightly.runs(session, None, 10)] == [0, 1]
        assert nightly.last_day(session) == MONDAY + timedelta(days=1)


def test_the_command_line_refuses_a_day_to_come_or_a_day_that_is_none(run: Run, shop: Shop) -> None:
    before = shop.counts()
    assert "2999-01-01 has not come yet" in refused(run("nightly", "--date", "2999-01-01"))
    for day in ("2026-02-30", "yesterday", "26-11-22", ""):
        assert "write it as 2026-11-22" in refused(run("nightly", "--date", day))
    assert shop.counts() == before


@pytest.mark.parametrize("days", [(), ("--date", "2026-03-03")])
def test_the_command_line_shows_each_figure_of_the_run(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, days: tuple[str, ...]
) -> None:
    monkeypatch.setattr(terminal, "clock_for", lambda _: shop.clock)
    shop.order(shop.member(), (shop.product(return_window_days=1), 300))
    shop.order(shop.member(), (shop.product(return_window_days=2), 1))
    shop.tomorrow()
    code, printed, complaint = run("nightly", *days)
    assert (code, complaint) == (0, "")
    figures = dict(table_rows(printed))
    assert float(figures.pop("seconds")) >= 0
    assert figures == {
        "business date": "2026-03-03",
        "started at": str(shop.clock.now()),
        "confirmed lots": "1",
        "confirmed points": "1,500",
        "expired lots": "0",
        "expired points": "0",
        "renewed": "0",
        "lapsed": "0",
        "oldest due": "2026-03-03",
    }
