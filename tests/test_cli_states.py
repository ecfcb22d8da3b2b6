"""Tests of all commands with their logins: on an empty, a busy, and a read-only database."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer

from app import cli, logins, terminal
from app.campaigns import life
from app.campaigns.life import Deed
from app.campaigns.offers import OFFERS
from app.campaigns.rules import RULES
from app.earning.earners import Scope
from app.earning.lifecycle import Stage
from app.earning.rules import Method, Rule
from app.ids import new_id
from app.offers.models import Item, Offer
from app.pools import JOBS
from app.settings import Settings
from tests.conftest import Handled, ReadOnly, Run
from tests.functions.conftest import bucket, warehouse_url  # noqa: F401  fixtures
from tests.insights.conftest import apply, journaled
from tests.shop import APPROVER, AUTHOR, Shop

Answer = tuple[int, str, str]
Tried = Callable[[Mapping[str, tuple[str, ...]]], dict[str, Answer]]

EVER = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")
AUTHORSHIP = ("--by", "ana", "--reason", "art. 17")
DEED = ("--by", str(APPROVER), "--reason", "A test")
BY_AUTHOR = ("--by", str(AUTHOR))
# What each command is given; what stands in braces is the shop's, or nobody's.
READING = {
    "capacity": (),
    "clock show": (),
    "corrections list": (),
    "database": (),
    "floors": (),
    "insights areas": (),
    "insights brand-affinity": (),
    "insights busy-hours": (),
    "insights companions": ("{product}",),
    "insights discount-effect": (),
    "insights discounts": (),
    "insights price-ranges": (),
    "insights recommend": ("{member}",),
    "insights seasonal": (),
    "insights segments": (),
    "insights top-sellers": (),
    "insights years": (),
    "ledger digest": (),
    "ledger export": EVER,
    "ledger history": ("orders", "{order}"),
    "ledger missing": (),
    "ledger prove": ("orders", "{order}"),
    "ledger status": (),
    "ledger verify": (),
    "member statement": ("{member}", "--year", "2026"),
    "member wallet": ("{member}",),
    "offers list": (),
    "offers show": ("{draft_offer}",),
    "offers simulate": ("--file", "{promotion_file}"),
    "rules list": (),
    "rules show": ("{draft_rule}",),
    "rules simulate": ("--file", "{rule_file}"),
    "stream quarantine": (),
    "stream status": (),
    "token": ("member",),
}
WRITING = {
    "corrections approve": ("{correction}", "--by", str(APPROVER)),
    "corrections book": ("{member}", "--points", "1", "--evidence", "A ticket", *DEED),
    "corrections reject": ("{unwanted_correction}", *DEED),
    "corrections reverse": ("{booked_correction}", *DEED),
    "corrections take": ("{member}", "--points", "1", "--evidence", "A ticket", *DEED),
    "feed": ("{vendor}", "{feed}"),
    "insights learn": (),
    "insights load": (),
    "insights propose-discounts": (),
    "insights switch-discounts": ("--stop",),
    "ledger stream": ("{stream}", "--kinesis", "{stream}"),
    "ledger end-stream": ("{stream}",),
    "nightly": (),
    "offers add": ("{promotion_file}", *BY_AUTHOR),
    "offers change": ("{draft_offer}", "{name_file}", *BY_AUTHOR, "--reason", "A test"),
    "offers approve": ("{draft_offer}", *DEED),
    "offers copy": ("{draft_offer}", *DEED),
    "offers restock": ("{draft_offer}", "--units", "1", *DEED),
    "offers transition": ("{draft_offer}", "running", *DEED),
    "reconcile": (),
    "rules add": ("{rule_file}", *BY_AUTHOR),
    "rules change": ("{draft_rule}", "{name_file}", *BY_AUTHOR, "--reason", "A test"),
    "rules approve": ("{draft_rule}", *DEED),
    "rules copy": ("{draft_rule}", *DEED),
    "rules transition": ("{draft_rule}", "running", *DEED),
    "stream redrive": (),
    "ledger recover": AUTHORSHIP,
    "ledger redact": ("orders", "{order}", *AUTHORSHIP),
    "member erase": ("{member}", *AUTHORSHIP),
}
ONE_MACHINE_ONLY = {"up", "doctor", "clock advance", "load journey"}
NEEDS_WEEKS = {"capacity"}
NEEDS_WRITER = {"ledger export"}  # its lock, which erasures respect, is the writer's

FILES = {
    "feed": "SKU,Name,Brand,Department,Category,Price\ntea-1,Green tea,Leaf,GROCERY,TEA,8.00\n",
    "name_file": "name: Another name",
    "promotion_file": """
        name: Twice in April
        description: Twice the points
        starts_at: 2027-04-01
        ends_at: 2027-05-01
        terms: {kind: promotion, percent: 200}
    """,
    "rule_file": "{name: Two more, scope: everything, method: fixed, amount: 2, stacking: adds}",
}


def commands() -> set[str]:
    def below(command: Any, name: str) -> Iterator[str]:
        if not hasattr(command, "commands"):
            yield name.strip()
        for part, subcommand in getattr(command, "commands", {}).items():
            yield from below(subcommand, f"{name} {part}")

    return set(below(typer.main.get_command(cli.app), ""))


def test_every_command_is_tried() -> None:
    assert sorted([*READING, *WRITING, *ONE_MACHINE_ONLY]) == sorted(commands())


@pytest.fixture
def given(tmp_path: Path) -> dict[str, str]:
    """The values for the commands' arguments, by name; ids are random until a test creates the objects."""
    files = {}
    for name, content in FILES.items():
        file = tmp_path / name
        file.write_text(content)
        files[name] = str(file)
    placeholders = [part for arguments in (*READING.values(), *WRITING.values()) for part in arguments if "{" in part]
    return {name.strip("{}"): str(new_id()) for name in placeholders} | files


@pytest.fixture
def tried(
    run: Run,
    given: dict[str, str],
    bucket: str,  # noqa: F811
    warehouse_url: str,  # noqa: F811
) -> Tried:
    """Return a function that runs commands and returns their results; it asserts that errors have at most one line."""

    def answers(wanted: Mapping[str, tuple[str, ...]]) -> dict[str, Answer]:
        by_command = {}
        for name, arguments in wanted.items():
            answer = run(*name.split(), *(argument.format(**given) for argument in arguments))
            assert (answer[0] in {0, 1, 2}, answer[2].count("\n") <= 1) == (True, True), (name, answer)
            assert "permission denied" not in answer[2], (name, answer)
            by_command[name] = answer
        return by_command

    return answers


@pytest.fixture
def busy(
    shop: Shop, handled: Handled, given: dict[str, str], tried: Tried, cloud: Callable[[str], Any]
) -> Callable[[], None]:
    """Return a function that places orders, applies them from the stream, exports the ledger, loads the warehouse."""

    def sells() -> None:
        product = shop.product(return_window_days=0)
        for member in shop.members(12):
            placed = shop.order(member, (product, 5))
        given.update(product=str(product), member=str(shop.member()), order=str(placed.order.order_id))
        given.update(vendor=str(shop.vendor()))
        given.update({name: str(key) for name, key in governed(shop).items()})
        kinesis = cloud("kinesis")
        kinesis.create_stream(StreamName=given["stream"], ShardCount=1)
        with suppress(kinesis.exceptions.ResourceInUseException):
            kinesis.create_stream(StreamName=Settings.model_fields["stream_name"].default, ShardCount=1)
        apply(shop.under(logins.CONSUMING), journaled(shop.under(logins.SEALING)))
        assert handled("journal-export")["exports"]

    return sells


def governed(shop: Shop) -> dict[str, UUID]:
    """Create a draft rule, a draft offer, and proposed and booked corrections; return their ids by argument name."""
    member = shop.member()
    booked = shop.correct(member, 10)
    shop.program(correction_limit_points=10)
    waiting, unwanted = shop.correct(member, 20), shop.correct(member, 20)
    now = shop.clock.now()
    offer = Offer(new_id(), "A mug", "", now, now + timedelta(days=3650), Item(points=1), 1, stage=Stage.DRAFT)
    rule = Rule(new_id(), "Seven", Scope.EVERYTHING, "", Method.FIXED, 7, stage=Stage.DRAFT)
    deed = Deed(AUTHOR, "", shop.clock)
    with shop.db.write() as session:
        life.add(session, OFFERS, offer, deed)
        life.add(session, RULES, rule, deed)
    corrections = (waiting, unwanted, booked)
    names = ("correction", "unwanted_correction", "booked_correction")
    return {
        **{name: row.correction_id for name, row in zip(names, corrections, strict=True)},
        "draft_offer": offer.offer_id,
        "draft_rule": rule.rule_id,
    }


def failures(answers: Mapping[str, Answer]) -> dict[str, Answer]:
    return {name: answer for name, answer in answers.items() if answer[0] and name not in NEEDS_WEEKS}


@pytest.mark.slow
def test_commands_that_read_answer_in_every_state(tried: Tried, busy: Callable[[], None], read_only: ReadOnly) -> None:
    tried(READING)
    busy()
    tried({name: WRITING[name] for name in ("insights load", "insights learn", "nightly")})
    assert failures(tried(READING)) == {}
    reading_alone = {name: arguments for name, arguments in READING.items() if name not in NEEDS_WRITER}
    with read_only():
        assert failures(tried(reading_alone)) == {}
    assert failures(tried(READING)) == {}


@pytest.mark.slow
def test_commands_that_write_are_refused_in_one_line_while_nothing_can_be_written_and_work_again(
    tried: Tried, busy: Callable[[], None], read_only: ReadOnly, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried(WRITING)
    busy()
    with read_only(), monkeypatch.context() as patch:
        # Each command waits so long for a database that it may write to.
        patch.setattr(terminal, "JOBS", replace(JOBS, pool_s=1))
        writing = WRITING | {name: READING[name] for name in NEEDS_WRITER}
        assert {name: code for name, (code, _, _) in tried(writing).items()} == dict.fromkeys(writing, 2)
    assert failures(tried(WRITING)) == {}
