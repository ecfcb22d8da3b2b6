"""Tests of the lifecycle of rules and offers: allowed state changes, points only while running, ledger entries."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.earning.lifecycle import OFFER, RULE, Event, Stage, State
from app.ids import new_id
from app.signing import Role
from app.states import Refused
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
WHY = {"reason": "A test"}
BONUS = {"kind": "bonus", "points": 7, "stacking": "adds"}


class Desk:
    """Calls the API as an administrator, for either earning rules or offers."""

    def __init__(self, api: Any, path: str, key: str, shop: Shop) -> None:
        self.api, self.path, self.key, self.shop = api, path, key, shop

    def body(self, **fields: Any) -> dict[str, Any]:
        dates = {"starts_at": "2026-03-01T00:00:00Z", "ends_at": "2026-04-01T00:00:00Z"}
        if self.path == "/offers":
            return {"name": "Seven more", "terms": BONUS, **dates, **fields}
        return {
            "name": "Seven",
            "scope": "everything",
            "method": "fixed",
            "amount": 7,
            "stacking": "adds",
            **dates,
        } | fields

    def add(self, **fields: Any) -> str:
        answer = self.api.post(self.path, self.body(**fields))
        assert answer.status_code == 201, answer.json()
        return str(answer.json()[self.key])

    def do(self, event: Event, subject: str) -> int:
        at = f"{self.path}/{subject}"
        match event:
            case Event.CHANGE:
                return int(self.api.patch(at, {"name": "Renamed", **WHY}).status_code)
            case Event.START | Event.RESUME:
                return int(self.api.post(f"{at}/transitions", {"to": "running", **WHY}).status_code)
            case Event.PAUSE:
                return int(self.api.post(f"{at}/transitions", {"to": "paused", **WHY}).status_code)
            case Event.END:
                return int(self.api.post(f"{at}/transitions", {"to": "ended", **WHY}).status_code)
            case Event.RESTOCK:
                return int(self.api.post(f"{at}/stock", {"units": 1, **WHY}).status_code)
        raise AssertionError(event)

    def state(self, subject: str) -> str:
        return str(self.api.get(f"{self.path}/{subject}").json()["state"])

    def brought_to(self, state: State, **fields: Any) -> str:
        """Create a rule or offer, bring it to the state, and return its id."""
        match state:
            case State.DRAFT:
                return self.add(draft=True, **fields)
            case State.SCHEDULED:
                return self.add(**{"starts_at": "2026-03-20T00:00:00Z", **fields})
            case State.RUNNING:
                return self.add(**fields)
            case State.PAUSED:
                subject = self.add(**fields)
                assert self.do(Event.PAUSE, subject) == 201
                return subject
            case State.ENDED:
                subject = self.add(**fields)
                assert self.do(Event.END, subject) == 201
                return subject

    def earns(self) -> int:
        """Return the points that a unit earns beyond the 5 points of the default rule."""
        product, member = self.shop.product(), self.shop.member()
        quoted = sum(lot.points for lot in self.shop.quote(member, (product, 1)).lots)
        placed = sum(lot.points for lot in self.shop.order(member, (product, 1)).lots)
        shown = self.api.client.get(f"/products/{product}").json()["earns"]["points"]
        assert quoted == placed == shown
        return placed - 5


@pytest.fixture(params=[("/offers", "offer_id"), ("/rules", "rule_id")], ids=["offers", "rules"])
def desk(request: pytest.FixtureRequest, shop: Shop, caller: Calls) -> Desk:
    path, key = request.param
    return Desk(caller(Role.ADMIN, new_id()), path, key, shop)


_BY_REQUEST = [Event.CHANGE, Event.START, Event.PAUSE, Event.RESUME, Event.END]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", _BY_REQUEST)
def test_each_event_in_each_state_moves_as_declared_or_is_refused_and_writes_nothing(
    desk: Desk, event: Event, state: State
) -> None:
    """A request for the state `running` starts a draft, and resumes a paused rule or offer."""
    subject = desk.brought_to(state)
    assert desk.state(subject) == state
    runs = {Event.START, Event.RESUME}
    tried = [e for e in (runs if event in runs else {event}) if OFFER.allows(state, e)]
    before = desk.shop.counts(), desk.api.get(f"{desk.path}/{subject}").json()
    status = desk.do(event, subject)
    if not tried:
        assert status == 409
        assert (desk.shop.counts(), desk.api.get(f"{desk.path}/{subject}").json()) == before
        return
    after = OFFER.table[tried[0]][state]
    assert not isinstance(after, Refused)
    assert status in (200, 201)
    expected = State.RUNNING if after is State.SCHEDULED and state is not State.SCHEDULED else after
    assert desk.state(subject) == expected


@pytest.mark.parametrize("state", State)
def test_an_item_is_restocked_until_it_is_over(shop: Shop, caller: Calls, state: State) -> None:
    desk = Desk(caller(Role.ADMIN, new_id()), "/offers", "offer_id", shop)
    item = desk.brought_to(state, terms={"kind": "item", "points": 1}, on_hand=3)
    assert desk.do(Event.RESTOCK, item) == (201 if OFFER.allows(state, Event.RESTOCK) else 409)
    on_hand = desk.api.get(f"/offers/{item}").json()["on_hand"]
    assert on_hand == (4 if OFFER.allows(state, Event.RESTOCK) else 3)


def test_what_has_no_stock_is_not_restocked(shop: Shop, caller: Calls) -> None:
    desk = Desk(caller(Role.ADMIN, new_id()), "/offers", "offer_id", shop)
    assert desk.do(Event.RESTOCK, desk.add()) == 422


@pytest.mark.parametrize("state", State)
def test_only_what_runs_earns_on_every_path(desk: Desk, state: State) -> None:
    desk.brought_to(state)
    assert desk.earns() == (7 if state is State.RUNNING else 0)
    listed = desk.api.client.get(desk.path).json()[desk.path[1:]]
    names = [subject["name"] for subject in listed if subject["name"].startswith("Seven")]
    assert len(names) == (state is State.RUNNING)


_DATES = {
    Stage.DRAFT: [State.DRAFT] * 6,
    Stage.STARTED: [State.SCHEDULED, State.RUNNING, State.RUNNING, State.RUNNING, State.ENDED, State.ENDED],
    Stage.PAUSED: [State.PAUSED] * 4 + [State.ENDED] * 2,
    Stage.ENDED: [State.ENDED] * 6,
}


@pytest.mark.parametrize("stage", Stage)
def test_dates_decide_what_was_started(stage: Stage, shop: Shop) -> None:
    begin = shop.clock.now()
    end = begin + timedelta(days=1)
    rule = replace(shop.rule(1, starts_at=begin, ends_at=end), stage=stage)
    instants = [at + timedelta(seconds=seconds) for at in (begin, end) for seconds in (-1, 0, 1)]
    assert [rule.state(at) for at in instants] == _DATES[stage]


def test_each_move_is_in_the_ledger_with_who_and_why(desk: Desk, caller: Calls) -> None:
    subject = desk.brought_to(State.DRAFT)
    for event in (Event.CHANGE, Event.START, Event.PAUSE, Event.RESUME, Event.END):
        desk.do(event, subject)
    table = {"/offers": "offers", "/rules": "earning_rules"}[desk.path]
    entries = desk.api.get(f"/ledger/history/{table}/{subject}").json()["revisions"]
    moves = [(entry["data"]["event"], entry["data"]["reason"]) for entry in entries]
    assert moves == [("add", ""), *((event, "A test") for event in ("change", "start", "pause", "resume", "end"))]
    assert len({entry["data"]["by"] for entry in entries}) == 1
    assert None not in {entry["data"]["by"] for entry in entries}


def test_a_copy_is_a_draft_of_the_same_content(desk: Desk) -> None:
    subject = desk.brought_to(State.ENDED)
    answer = desk.api.post(f"{desk.path}/{subject}/copies", WHY)
    assert answer.status_code == 201
    original = desk.api.get(f"{desk.path}/{subject}").json()
    assert answer.json() == {**original, desk.key: answer.json()[desk.key], "state": "draft"}
    assert desk.earns() == 0
    assert desk.do(Event.START, answer.json()[desk.key]) == 201
    assert desk.earns() == 7


def test_what_was_earned_stays_when_its_rule_or_offer_ends(desk: Desk) -> None:
    subject, shop = desk.add(), desk.shop
    product, member = shop.product(), shop.member()
    placed = shop.order(member, (product, 2))
    desk.do(Event.END, subject)
    seen = shop.look(placed)
    assert (seen.order, seen.lines) == (placed.order, placed.lines)
    assert sorted(seen.lots, key=lambda lot: lot.lot_id) == sorted(placed.lots, key=lambda lot: lot.lot_id)
    assert shop.wallet(member) == (24, 0)
    assert shop.give_back(placed, 1).points == 12
    assert shop.wallet(member) == (12, 0)
    assert shop.disagreements() == []


def test_a_voucher_code_is_free_again_when_its_voucher_has_ended(shop: Shop, caller: Calls) -> None:
    desk = Desk(caller(Role.ADMIN, new_id()), "/offers", "offer_id", shop)
    code = {"terms": {"kind": "voucher", "code": "SPRING-26", "uses": 1}}
    first = desk.add(**code)
    assert desk.api.post("/offers", desk.body(**code)).status_code == 409
    desk.do(Event.PAUSE, first)
    assert desk.api.post("/offers", desk.body(**code)).status_code == 409
    draft = desk.add(draft=True, **code)
    assert desk.do(Event.START, draft) == 409
    desk.do(Event.END, first)
    assert desk.do(Event.START, draft) == 201
    shop.tomorrow(60)  # its dates are over
    again = desk.add(**code, ends_at="2026-09-01T00:00:00Z")
    assert (desk.state(draft), desk.state(again)) == ("ended", "running")
    placed = shop.order(shop.member(), (shop.product(), 1), voucher="SPRING-26")
    assert [lot.points for lot in placed.lots] == [5, 5]


def test_a_paused_or_ended_item_is_not_redeemed(shop: Shop, caller: Calls) -> None:
    desk = Desk(caller(Role.ADMIN, new_id()), "/offers", "offer_id", shop)
    member = shop.with_points(50)
    api = caller(Role.MEMBER, member)
    for state in State:
        item = desk.brought_to(state, terms={"kind": "item", "points": 1}, on_hand=3)
        answer = api.post("/redemptions", {"kind": "item", "offer_id": item})
        assert answer.status_code == (201 if state is State.RUNNING else 409), state


def test_nobody_subscribes_to_what_does_not_run_and_paid_time_stays(shop: Shop, caller: Calls) -> None:
    desk = Desk(caller(Role.ADMIN, new_id()), "/offers", "offer_id", shop)
    member = shop.with_points(100)
    club = {"terms": {"kind": "subscription", "points": 10, "percent": 300}}
    for state in State:
        offer = desk.brought_to(state, **club)
        answer = caller(Role.MEMBER, member).post(f"/offers/{offer}/subscriptions", {})
        assert answer.status_code == (201 if state is State.RUNNING else 409), state
        if state is State.RUNNING:
            desk.do(Event.END, offer)
    assert [lot.points for lot in shop.order(member, (shop.product(), 1)).lots] == [5, 10]


def test_one_list_has_every_state_and_can_be_narrowed(desk: Desk) -> None:
    subjects = {state: desk.brought_to(state) for state in State}
    for state, subject in subjects.items():
        rows = desk.api.get(f"{desk.path}/all", state=state, limit=100).json()[desk.path[1:]]
        assert subject in {row[desk.key] for row in rows}
        assert {row["state"] for row in rows} == {state}
    everything = desk.api.get(f"{desk.path}/all", limit=100).json()[desk.path[1:]]
    assert set(subjects.values()) <= {row[desk.key] for row in everything}


def test_both_lives_are_one_table() -> None:
    assert OFFER.table == RULE.table
