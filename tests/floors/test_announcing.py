"""Tests of announced floors: in the parameter at each call, in the ledger when they change, of promotions that run."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import structlog
from botocore.exceptions import ClientError

from app.campaigns import life
from app.campaigns.life import Deed
from app.campaigns.offers import OFFERS
from app.care import floors as care
from app.earning.lifecycle import Stage, State
from app.floors import service
from app.floors.models import Floor, Plan
from app.floors.planning import LEAD, MOST_FLOORS, SPIKE
from app.insights.capacity import service as capacity
from app.ledger import service as ledger
from app.offers.models import Promotion
from app.processes import FLOORS_LIMITED, services
from app.settings import Settings
from app.work import NODE_PROCESSORS, POD_PROCESSORS
from tests.conftest import Handled, Run
from tests.floors.conftest import Announce
from tests.shop import AUTHOR, Shop

PARAMETER = Settings.model_fields["floors_parameter"].default


def sale(shop: Shop, times: int | None = 50, hours: float = 4, **fields: Any) -> UUID:
    """Add a promotion that begins in some hours."""
    starts_at = shop.clock.now() + timedelta(hours=hours)
    return shop.offer(Promotion(), starts_at=starts_at, expected_times=times, **fields)


def move(shop: Shop, offer_id: UUID, to: State) -> None:
    with shop.db.write() as session:
        life.move(session, OFFERS, offer_id, to, Deed(AUTHOR, "A test", shop.clock))


def parameter(parameters: Any) -> Any:
    value = parameters.get_parameter(Name=PARAMETER)["Parameter"]["Value"]
    assert len(value) <= 4096
    return json.loads(value)


def journaled(shop: Shop) -> list[Any]:
    with shop.db.read() as session:
        return ledger.histories(session, "floors", ["floors"]).get("floors", [])


def test_without_orders_and_promotions_no_floor_is_announced(shop: Shop, announce: Announce, parameters: Any) -> None:
    assert not announce().changed
    assert parameter(parameters) == {"made": "2026-03-02T15:00:00Z", "floors": []}
    assert journaled(shop) == []


def test_a_promotion_is_announced_before_it_begins_until_it_is_withdrawn(
    shop: Shop, announce: Announce, parameters: Any
) -> None:
    start = shop.clock.now() + timedelta(hours=4)
    offer = sale(shop)
    assert announce().changed
    [floor] = [each for each in parameter(parameters)["floors"] if each["service"] == "catalog"]
    assert floor == {
        "service": "catalog",
        "replicas": floor["replicas"],
        "since": f"{start - LEAD:%Y-%m-%dT%H:%M:%SZ}",
        "until": f"{start + SPIKE:%Y-%m-%dT%H:%M:%SZ}",
        "why": f"promotion {offer} expects 50 times the usual load",
    }
    assert floor["replicas"] > 3
    move(shop, offer, State.PAUSED)
    assert announce().changed
    assert parameter(parameters)["floors"] == []
    move(shop, offer, State.RUNNING)
    assert announce().changed
    move(shop, offer, State.ENDED)
    assert announce().changed
    assert parameter(parameters)["floors"] == []
    assert [bool(entry["floors"]) for entry in journaled(shop)] == [True, False, True, False]


@pytest.mark.parametrize("silent", [{"times": None}, {"stage": Stage.DRAFT}, {"hours": 24 * 3}])
def test_a_draft_a_later_promotion_and_one_that_expects_nothing_raise_no_floor(
    shop: Shop, announce: Announce, silent: dict[str, Any]
) -> None:
    sale(shop, **silent)
    assert announce().plan.floors == []


def test_only_a_changed_plan_is_journaled_and_a_floor_that_ended_changes_none(
    shop: Shop, announce: Announce, parameters: Any
) -> None:
    sale(shop)
    assert [announce().changed for _ in range(3)] == [True, False, False]
    shop.clock.advance(minutes=5)
    assert not announce().changed
    assert parameter(parameters)["made"] == "2026-03-02T15:05:00Z"
    shop.clock.advance(hours=7)
    assert not announce().changed
    assert parameter(parameters)["floors"] == []
    [entry] = journaled(shop)
    assert (entry["number"], entry["at"], entry["limited"]) == (1, "2026-03-02T15:00:00Z", False)
    assert {each["service"] for each in entry["floors"]} == {"catalog"}
    assert all(each["usd"] > 0 for each in entry["floors"])


def test_a_limit_of_money_lowers_the_floors_and_the_log_says_so(shop: Shop, announce: Announce) -> None:
    sale(shop, times=100)
    free = announce().plan
    with structlog.testing.capture_logs() as lines:
        limited = announce(floors_usd_a_day=0.05).plan
    assert lines == [{"event": FLOORS_LIMITED, "usd_a_day": 0.05, "log_level": "warning"}]
    assert (free.limited, limited.limited) == (False, True)
    assert 0 < sum(each.usd for each in limited.floors) <= 0.05 < sum(each.usd for each in free.floors)
    assert journaled(shop)[-1]["limited"]
    off = announce(floors_usd_a_day=0)
    assert (off.plan, off.changed) == (Plan([], limited=False), True)


def test_what_a_withdrawn_promotion_has_cost_leaves_less_for_the_next_one_of_the_day(
    shop: Shop, announce: Announce, parameters: Any
) -> None:
    """Count each five minutes what the floors in the parameter cost, as who applies them would pay for them."""
    shop.program(time_zone="UTC")
    limits = {"floors_usd_a_day": 0.2}
    days = {shop.clock.now().date() + timedelta(days=ahead): 0.0 for ahead in range(2)}
    pod = node_usd() * POD_PROCESSORS / NODE_PROCESSORS
    numbers = []
    for number in range(30 * 12):
        if number % 30 == 0:
            offer = sale(shop, times=100, hours=0.5)
        if number % 30 == 28:
            move(shop, offer, State.ENDED)
        numbers.append(announce(**limits).changed)
        now = f"{shop.clock.now():%Y-%m-%dT%H:%M:%SZ}"
        above = sum(
            row["replicas"] - 3 for row in parameter(parameters)["floors"] if row["since"] <= now < row["until"]
        )
        days[shop.clock.now().date()] += above * pod / 12
        shop.clock.advance(minutes=5)
    assert all(0.15 < usd <= 0.2 for usd in days.values())
    assert sum(numbers) < 60


def node_usd() -> float:
    prices = capacity.prices()
    return prices["node-hour"] + prices["auto-mode-hour"]


class Away:
    """An SSM that refuses one call."""

    def __init__(self, parameters: Any) -> None:
        self._parameters, self._refused = parameters, False

    def put_parameter(self, **request: Any) -> None:
        if not self._refused:
            self._refused = True
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutParameter")
        self._parameters.put_parameter(**request)


def test_what_a_failed_call_left_out_the_next_one_writes(shop: Shop, announce: Announce, parameters: Any) -> None:
    sale(shop)
    away = Away(parameters)
    with pytest.raises(ClientError):
        announce(away)
    assert not announce(away).changed
    assert parameter(parameters)["floors"]
    assert len(journaled(shop)) == 1


def test_who_applies_the_floors_reads_what_was_announced_and_lets_them_fall(
    shop: Shop, announce: Announce, parameters: Any
) -> None:
    start = shop.clock.now() + timedelta(hours=4)
    sale(shop)
    [planned] = [each for each in announce().plan.floors if each.service == "catalog"]
    floors = care.read(parameters.get_parameter(Name=PARAMETER)["Parameter"]["Value"])
    usual = {"catalog": (3, 30), "vendors": (3, 30)}
    moments = (start - LEAD - timedelta(seconds=1), start - LEAD, start + SPIKE - timedelta(seconds=1), start + SPIKE)
    heights = [care.now_least(floors, usual, at)["catalog"] for at in moments]
    assert heights == [3, planned.replicas, planned.replicas, 3]
    assert {care.now_least(floors, usual, at)["vendors"] for at in moments} == {3}


def test_the_longest_plan_fits_into_a_parameter() -> None:
    longest = max(services(apart=("promotion",)), key=len)
    why = f"promotion {UUID(int=1)} expects 100 times the usual load, and 100 more do"
    now = datetime(2026, 11, 27, tzinfo=UTC)
    planned = Plan([Floor(longest, 100, now, now, why, 1.0)] * MOST_FLOORS, limited=False)
    assert len(service.document(planned, now)) <= 4096


def test_the_function_announces_with_its_own_login(
    shop: Shop, handled: Handled, in_the_cloud: None, database_url: str, parameters: Any
) -> None:
    shop.clock.instant = datetime.now(UTC)
    sale(shop, hours=1, times=100)
    answers = [handled("announced-floors") for _ in range(2)]
    assert [(answer["changed"], answer["limited"]) for answer in answers] == [(True, False), (False, False)]
    assert answers[0]["floors"] == len(parameter(parameters)["floors"]) > 0


def test_the_command_prints_the_plan_with_costs_and_reasons(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.clock.instant = datetime.now(UTC)
    assert run("floors") == (0, "Floors of pods, US dollars at most: nothing\n", "")
    offer = sale(shop, hours=1, times=100)
    code, printed, complaint = run("floors", "--csv")
    head, *rows = printed.splitlines()
    assert (code, head, complaint) == (0, "service,replicas,since,until,why,usd", "")
    assert all(f",promotion {offer} expects 100 times the usual load," in row for row in rows)
    assert {row.split(",")[0] for row in rows} == {"catalog"}
    monkeypatch.setenv("REWARDS_FLOORS_USD_A_DAY", "0.01")
    assert "would cost more than 0.01 US dollars" in run("floors")[1]
