"""Administrators run rules and offers from the command line, by the same rules as over the API."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.ids import new_id
from app.offers.models import Item
from app.rewards import cli as rewards_cli
from app.rewards.stages import State
from app.signing import Role
from tests.conftest import Run, refused
from tests.offers.test_life import Desk
from tests.shop import APPROVER, AUTHOR, Shop

Calls = Callable[[Role, UUID], Any]
Answer = tuple[int, str, str]
PATHS = {"rules": ("/rules", "rule_id"), "offers": ("/offers", "offer_id")}
groups = pytest.mark.parametrize("group", PATHS)
SLIP: dict[str, dict[str, Any]] = {
    "rules": {"amount": 1_000_000},
    "offers": {"terms": {"kind": "bonus", "points": 1_000_000}},
}


@pytest.fixture(autouse=True)
def one_clock(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands and the API have one time."""
    monkeypatch.setattr(rewards_cli, "clock_for", lambda _: shop.clock)


def who(by: UUID) -> tuple[str, ...]:
    return "--by", str(by), "--reason", "A test"


def moved(run: Run, group: str, key: str, to: str) -> Answer:
    return run(group, "transition", key, to, *who(AUTHOR))


@groups
@pytest.mark.parametrize("state", State)
def test_a_transition_is_made_or_refused_in_one_line_as_the_api_does(
    shop: Shop, caller: Calls, run: Run, group: str, state: State
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    for to in ("running", "paused", "ended"):
        key, twin = desk.brought_to(state), desk.brought_to(state)
        code = desk.api.post(f"{desk.path}/{twin}/transitions", {"to": to, "reason": "A test"}).status_code
        answer = moved(run, group, key, to)
        if code == 201:
            assert answer[0] == 0, answer
        else:
            refused(answer)
        assert desk.state(key) == desk.state(twin)


@groups
def test_a_listing_has_those_of_the_state_and_one_is_shown_whole(
    shop: Shop, caller: Calls, run: Run, group: str
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    keys = {state: desk.brought_to(state) for state in State}
    for state in State:
        code, printed, _ = run(group, "list", "--state", state)
        assert (code, {other for other, key in keys.items() if key in printed}) == (0, {state})
        code, printed, _ = run(group, "show", keys[state])
        assert (code, keys[state] in printed, state in printed) == (0, True, True)
    code, printed, _ = run(group, "list")
    assert (code, [key for key in keys.values() if key not in printed]) == (0, [])
    refused(run(group, "show", str(new_id())))


@groups
def test_what_gives_too_much_starts_after_a_second_administrators_approval(
    shop: Shop, caller: Calls, run: Run, group: str
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    key = desk.add(**SLIP[group])
    assert "most_points_per_unit" in run(group, "show", key)[1]
    assert "most_points_per_unit" in refused(moved(run, group, key, "running"))
    refused(run(group, "approve", key, *who(AUTHOR)))
    assert run(group, "approve", key, *who(APPROVER))[0] == 0
    assert moved(run, group, key, "running")[0] == 0
    assert run(group, "copy", key, *who(AUTHOR))[0] == 0
    assert len(desk.api.get(f"{desk.path}/all", state="draft").json()[group]) == 1
    refused(run(group, "copy", key, "--by", str(AUTHOR), "--reason", " "))


def test_only_an_item_is_restocked(shop: Shop, caller: Calls, run: Run) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS["offers"], shop)
    item = str(shop.offer(Item(points=1), on_hand=3))
    assert run("offers", "restock", item, "--units", "4", *who(AUTHOR))[0] == 0
    assert desk.api.get(f"/offers/{item}").json()["on_hand"] == 7
    for units, key in (("0", item), ("1", desk.add())):
        refused(run("offers", "restock", key, "--units", units, *who(AUTHOR)))
