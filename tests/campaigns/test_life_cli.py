"""Tests of the commands by which administrators manage rules and offers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from app import terminal
from app.earning.lifecycle import State
from app.ids import new_id
from app.offers.models import Item
from app.signing import Role
from tests.campaigns.test_life import Desk
from tests.conftest import Run, refused
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
    monkeypatch.setattr(terminal, "clock_for", lambda _: shop.clock)


def authorship(by: UUID) -> tuple[str, ...]:
    return "--by", str(by), "--reason", "A test"


def moved(run: Run, group: str, key: str, to: str) -> Answer:
    return run(group, "transition", key, to, *authorship(AUTHOR))


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
    refused(run(group, "approve", key, *authorship(AUTHOR)))
    assert run(group, "approve", key, *authorship(APPROVER))[0] == 0
    assert moved(run, group, key, "running")[0] == 0
    assert run(group, "copy", key, *authorship(AUTHOR))[0] == 0
    assert len(desk.api.get(f"{desk.path}/all", state="draft").json()[group]) == 1
    refused(run(group, "copy", key, "--by", str(AUTHOR), "--reason", " "))


def as_file(folder: Path, content: object, kind: str) -> str:
    path = folder / f"content.{kind}"
    path.write_text(json.dumps(content) if kind == "json" else yaml.safe_dump(content))
    return str(path)


def key_of(printed: str) -> str:
    return next(word for word in printed.split() if len(word) == 36 and word.count("-") == 4)


@groups
@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("draft", [True, False])
def test_what_a_file_holds_is_added_as_over_the_api(
    shop: Shop, caller: Calls, run: Run, tmp_path: Path, group: str, kind: str, *, draft: bool
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    twin = desk.api.get(f"{desk.path}/{desk.add(draft=draft)}").json()
    code, printed, _ = run(group, "add", as_file(tmp_path, desk.body(draft=draft), kind), "--by", str(AUTHOR))
    added = desk.api.get(f"{desk.path}/{key_of(printed)}").json()
    assert (code, {**added, desk.key: ""}) == (0, {**twin, desk.key: ""})
    assert added["state"] == ("draft" if draft else "running")


@groups
def test_what_is_past_a_limit_is_added_as_a_draft(
    shop: Shop, caller: Calls, run: Run, tmp_path: Path, group: str
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    code, printed, _ = run(group, "add", as_file(tmp_path, desk.body(**SLIP[group]), "yaml"), "--by", str(AUTHOR))
    assert (code, "most_points_per_unit" in printed, desk.state(key_of(printed))) == (0, True, "draft")


@groups
def test_a_draft_is_changed_by_what_a_file_holds_and_nothing_else_is(
    shop: Shop, caller: Calls, run: Run, tmp_path: Path, group: str
) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    file = as_file(tmp_path, {"name": "Renamed", "ends_at": "2026-04-05T00:00:00Z"}, "yaml")
    for state in State:
        key = desk.brought_to(state)
        before = desk.api.get(f"{desk.path}/{key}").json()
        answer = run(group, "change", key, file, *authorship(AUTHOR))
        after = desk.api.get(f"{desk.path}/{key}").json()
        if state is State.DRAFT:
            assert (answer[0], after) == (0, {**before, "name": "Renamed", "ends_at": "2026-04-05T00:00:00Z"})
        else:
            refused(answer)
            assert after == before
    refused(run(group, "change", str(new_id()), file, *authorship(AUTHOR)))


WRONG = [
    (b"", "no object"),
    (b"[1, 2]", "no object"),
    (b"1: 2", "no object"),
    (b"just words", "no object"),
    (b"name: [", "neither JSON nor YAML (line 1)"),
    (b"\xff\xfe\xff", "neither JSON nor YAML"),
    (b"name: \x00", "neither JSON nor YAML"),
    (b"!!python/object/apply:os.system [id]", "neither JSON nor YAML"),
    (b"[" * 100_000, "neither JSON nor YAML"),
    (b"{}", ": Field required"),
    (b"model: 1", ": Field required"),
    (b"name: {}", "name: "),
]


@groups
@pytest.mark.parametrize(("content", "says"), WRONG)
def test_a_file_that_holds_none_is_refused_in_one_line(
    shop: Shop, caller: Calls, run: Run, tmp_path: Path, group: str, content: bytes, says: str
) -> None:
    (tmp_path / "wrong").write_bytes(content)
    before = shop.counts()
    assert says in refused(run(group, "add", str(tmp_path / "wrong"), "--by", str(AUTHOR)))
    assert "can't be read" in refused(run(group, "add", str(tmp_path / "none"), "--by", str(AUTHOR)))
    refused(run(group, "add", str(tmp_path), "--by", str(AUTHOR)))
    assert shop.counts() == before


@groups
def test_unknown_names_in_a_file_are_refused(shop: Shop, caller: Calls, run: Run, tmp_path: Path, group: str) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS[group], shop)
    file = as_file(tmp_path, desk.body(colour="red"), "yaml")
    assert "colour" in refused(run(group, "add", file, "--by", str(AUTHOR)))
    assert "colour" in refused(
        run(group, "change", desk.add(draft=True), as_file(tmp_path, {"colour": 1}, "json"), *authorship(AUTHOR))
    )


def test_only_an_item_is_restocked(shop: Shop, caller: Calls, run: Run) -> None:
    desk = Desk(caller(Role.ADMIN, AUTHOR), *PATHS["offers"], shop)
    item = str(shop.offer(Item(points=1), on_hand=3))
    assert run("offers", "restock", item, "--units", "4", *authorship(AUTHOR))[0] == 0
    assert desk.api.get(f"/offers/{item}").json()["on_hand"] == 7
    for units, key in (("0", item), ("1", desk.add())):
        refused(run("offers", "restock", key, "--units", units, *authorship(AUTHOR)))


@groups
@pytest.mark.parametrize("command", ["show", "transition", "approve", "copy", "change"])
def test_a_commands_help_names_its_argument(alone: Run, group: str, command: str) -> None:
    name = group.removesuffix("s").upper()
    assert f"{name}_ID" in alone(group, command, "--help")[1]
