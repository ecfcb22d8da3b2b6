"""Tests of which ledger data analysts see: only declared fields, nothing personal; administrators see all."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from app import ledger, logins
from app.campaigns.offers import OFFERS
from app.campaigns.rules import RULES
from app.db import Database
from app.ids import new_id
from app.insights.stream.models import By
from app.ledger import offline, recovery, service
from app.ledger.visibility import SHOWN_TO_ANALYSTS
from app.members import service as members
from app.members.models import Member
from app.offers.models import Item, Subscription
from app.signing import Role
from app.vendors.schemas import _COMPANY
from tests.conftest import Caller
from tests.insights.conftest import apply, journaled
from tests.shop import Shop

AsCaller = Callable[[Role, UUID], Caller]
APP = Path(ledger.__file__).parent.parent
TAX_ID = "PLANTED12345"


def journaled_tables() -> Iterator[str]:
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("ledger.append"):
                if ast.unparse(node.args[1]) == "kind.table":
                    yield from (RULES.table, OFFERS.table)
                    continue
                assert isinstance(node.args[1], ast.Constant), f"{path.name}:{node.lineno} names no table"
                yield str(node.args[1].value)
    yield from (service.REDACTIONS, recovery.RECOVERIES)


def test_each_table_says_what_analysts_see_of_it() -> None:
    assert set(journaled_tables()) == set(SHOWN_TO_ANALYSTS)


def everything(person: Caller, db: Database) -> dict[str, Any]:
    """Return the API's answers about every document and block of the ledger, by path."""
    with db.read() as session:
        documents = session.rows("SELECT DISTINCT table_name, document_id FROM journal_revisions")
        blocks = session.value("SELECT count(*) FROM journal_blocks")
    ways = [f"/{table}/{document}" for table, document in documents if "/" not in document]
    paths = [f"/ledger/{view}{way}" for view in ("revisions", "history") for way in ways]
    answers = {path: person.get(path) for path in [*paths, *(f"/ledger/blocks/{number}" for number in range(blocks))]}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {path: answer.json() for path, answer in answers.items()}


@pytest.fixture
def analyst(caller: AsCaller) -> Caller:
    return caller(Role.ANALYST, new_id())


@pytest.fixture
def admin(caller: AsCaller) -> Caller:
    return caller(Role.ADMIN, new_id())


@pytest.mark.parametrize("table", sorted({*SHOWN_TO_ANALYSTS, "a_table_of_tomorrow"}))
def test_fields_that_are_not_declared_are_not_shown(
    db: Database, seal: Callable[[], int], analyst: Caller, admin: Caller, table: str
) -> None:
    fields = SHOWN_TO_ANALYSTS.get(table, frozenset())
    hidden, inner = (
        {"note": "planted", "more": {"note": "planted"}},
        {name.partition(".")[0] for name in fields if "." in name},
    )
    shown: dict[str, Any] = {name: f"shown-{name}" for name in fields if "." not in name}
    for name in inner:
        below = {field.partition(".")[2]: f"shown-{field}" for field in fields if field.startswith(f"{name}.")}
        shown[name] = [below]
    nested = {name: [{**shown[name][0], **hidden}] for name in inner}
    with db.write() as session:
        ledger.append(session, table, "whole", shown)
        ledger.append(session, table, "more", {**shown, **nested, **hidden})
        ledger.append(session, table, "words", ["planted"])
    seal()
    assert "planted" in json.dumps(everything(admin, db))
    answers = everything(analyst, db)
    assert "planted" not in json.dumps(answers)
    (of_whole,), (of_more,) = (answers[f"/ledger/history/{table}/{which}"]["revisions"] for which in ("whole", "more"))
    assert (of_whole["data"], of_whole["redacted"]) == (shown or None, False)
    assert (of_more["data"], of_more["redacted"]) == (shown or None, True)
    for which, content in (("whole", {"salt", "data"}), ("more", {"dataHash"}), ("words", {"dataHash"})):
        proof = answers[f"/ledger/revisions/{table}/{which}"]
        assert {"salt", "data", "dataHash"} & set(proof["revision"]) == content
        assert offline.check_proof(proof, proof["digest"])


@pytest.fixture
def planted(shop: Shop, caller: AsCaller, admin: Caller, client: TestClient, redacting: Database) -> list[str]:
    """Fill a shop with a unique word in every free text about a person; return these words."""
    member_id = new_id()
    member, words = caller(Role.MEMBER, member_id), iter(range(100))

    def word() -> str:
        return f"planted-{next(words)}."

    def done(answer: Any) -> Any:
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    company = {
        **_COMPANY,
        "legal_name": word(),
        "tax_id": TAX_ID,
        "email": f"{word()}@a.example",
        "website": "https://planted.example",
    }
    vendor_id = done(client.post("/vendors", json=company, headers={"Idempotency-Key": "a"}))["vendor_id"]
    vendor = caller(Role.VENDOR, UUID(vendor_id))
    for person, to in ((admin, "approved"), (vendor, "active"), (admin, "suspended"), (admin, "active")):
        done(person.post(f"/vendors/{vendor_id}/transitions", {"to": to, "reasons": [word()]}))
    done(vendor.post(f"/vendors/{vendor_id}/credentials", {}))
    done(member.post("/members", {"name": word(), "income_band": "50-74K"}))
    done(member.patch("/members/me", {"name": word(), "marital_status": "married"}))
    with shop.db.write() as session:
        members.join_all(session, [Member(new_id(), word(), None, None, None, shop.clock.now())])
    product = shop.product(price_minor=20_000, return_window_days=0)
    line = {"product_id": str(product), "units": 2}
    order = done(member.post("/orders", {"lines": [line], "area": word()}))["order_id"]
    kept = shop.product(return_window_days=9)
    other = done(member.post("/orders", {"lines": [{"product_id": str(kept), "units": 2}]}))["order_id"]
    shop.night()
    claim = done(member.post("/claims", {"order_id": order, "line": 1, "evidence": word()}))["claim_id"]
    done(admin.post(f"/claims/{claim}/decision", {"points": 5, "reason": word()}))
    done(member.post(f"/orders/{other}/returns", {"line": 1, "units": 1, "reason": word()}))
    done(member.post("/redemptions", {"kind": "cash_back", "points": 10}))
    item = shop.offer(Item(points=5), on_hand=3)
    done(member.post("/redemptions", {"kind": "item", "offer_id": str(item)}))
    club = shop.offer(Subscription(points=5))
    done(member.post(f"/offers/{club}/subscriptions", {}))
    gone = done(member.post("/claims", {"order_id": other, "line": 1, "evidence": "soon erased"}))["claim_id"]
    with redacting.write() as session:
        service.redact(session, "claims", gone, by=word(), reason=word())
    return [
        *(f"planted-{number}." for number in range(next(words))),
        TAX_ID,
        "planted.example",
        "50-74K",
        "married",
        str(member_id),
    ]


def test_no_word_about_anybody_comes_out_for_an_analyst(
    shop: Shop, planted: list[str], analyst: Caller, admin: Caller
) -> None:
    apply(shop.db, journaled(shop.under(logins.SEALING)))
    admins_view = json.dumps(everything(admin, shop.db))
    assert not [word for word in planted if word not in admins_view]
    answers = everything(analyst, shop.db)
    seen = json.dumps([_without_ids(answer) for answer in answers.values()])
    assert not [word for word in planted if word in seen]
    assert answers[next(path for path in answers if path.startswith("/ledger/history/orders"))]["revisions"][0]["data"]
    for path, answer in answers.items():
        if path.startswith("/ledger/revisions"):
            assert offline.check_proof(answer, answer["digest"])
    shop.clock.advance(hours=2)
    tables = [analyst.get(f"/insights/top-sellers?by={by}&format={kind}") for by in By for kind in ("json", "csv")]
    tables += [analyst.get(f"/insights/{name}?format=csv") for name in ("busy-hours", "discounts/effect", "areas")]
    assert "A thing" in tables[0].text
    assert not [word for word in planted for table in tables if word in table.text]


def _without_ids(answer: Any) -> Any:
    """Remove `metadata` from an answer, as the ids in it are not personal data."""
    match answer:
        case dict():
            return {name: _without_ids(value) for name, value in answer.items() if name != "metadata"}
        case list():
            return [_without_ids(value) for value in answer]
        case _:
            return answer
