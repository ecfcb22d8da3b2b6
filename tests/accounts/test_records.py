"""Tests that claims, redemptions, payments and subscriptions are in the ledger, and in lists for their owners only."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.ids import new_id
from app.offers.models import Item, Subscription
from app.signing import Role
from app.wallet.payments_models import PaymentState
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def lived(shop: Shop, caller: Calls) -> UUID:
    """Create a member with orders, claims, redemptions, payments and subscriptions in many states."""
    member, mug, club = shop.with_points(500), shop.offer(Item(points=30), on_hand=9), Subscription(points=40)
    admin, api = caller(Role.ADMIN, new_id()), caller(Role.MEMBER, member)
    admin.patch("/program", {"return_window_days": 3})
    shop.rule(3, priority=1)
    shop.clock.advance(minutes=1)
    shop.cancel(shop.subscribe(member, shop.offer(club)))
    shop.subscribe(member, shop.offer(Subscription(price_minor=499, grace_days=3)))
    placed = [shop.order(member, (shop.product(), 2), pay_points=7) for _ in range(2)]
    for purchase in placed:
        api.post("/claims", {"order_id": str(purchase.order.order_id), "line": 1, "evidence": "It said double."})
    claims = [claim["claim_id"] for claim in admin.get("/claims").json()["claims"]]
    shop.clock.advance(minutes=1)
    admin.post(f"/claims/{claims[0]}/decision", {"points": 15, "reason": "It did."})
    admin.post(f"/claims/{claims[1]}/decision", {"reason": "It did not."})
    handed, kept = (
        api.post("/redemptions", {"kind": "item", "offer_id": str(mug)}).json()["redemption_id"] for _ in range(2)
    )
    admin.post(f"/redemptions/{handed}/fulfilment", {})
    api.post(f"/redemptions/{kept}/cancellation", {})
    for to in (PaymentState.SETTLED, PaymentState.FAILED, PaymentState.CANCELLED):
        shop.cash_back(member, 10)
        shop.clock.advance(minutes=1)
        shop.move(shop.payments(member)[0].payment_id, to)
    return member


_TABLES = {
    "payments": "payment_id",
    "claims": "claim_id",
    "subscriptions": "subscription_id",
    "redemptions": "redemption_id",
    "earning_rules": "rule_id",
    "offers": "offer_id",
}


def test_the_ledgers_newest_revision_of_each_document_is_what_the_table_holds(shop: Shop, caller: Calls) -> None:
    lived(shop, caller)
    with shop.db.read() as session:
        for table, key in _TABLES.items():
            held = {row[key]: row for row in rows(session, f"SELECT to_jsonb(t) FROM {table} t")}
            revisions = {
                str(name): data
                for name, data in session.rows(
                    """SELECT DISTINCT ON (document_id) document_id, data FROM journal_revisions
                       WHERE table_name = %s ORDER BY document_id, revision_id DESC""",
                    (table,),
                )
            }
            assert revisions
            assert revisions.keys() >= {
                name for name in held if not name.startswith("00000000-0000")
            }  # the schema's own
            for name, data in revisions.items():
                same = (data.keys() & held[name].keys()) - {"starts_at", "ends_at"}
                assert {field: _instant(data[field]) for field in same} == {field: held[name][field] for field in same}
        (program,) = rows(session, "SELECT data FROM journal_revisions WHERE table_name = 'program'")
    assert (program["return_window_days"], program["name"]) == (
        3,
        caller(Role.ADMIN, new_id()).get("/program").json()["name"],
    )


def _instant(value: Any) -> Any:
    return f"{value[:-1]}+00:00" if isinstance(value, str) and value[-1:] == "Z" and "T" in value else value


def rows(session: Any, sql: str) -> list[dict[str, Any]]:
    return [row[0] for row in session.rows(sql)]


@pytest.mark.parametrize(
    ("path", "name", "role"),
    [
        ("/wallet/payments", "payments", Role.MEMBER),
        ("/wallet/claims", "claims", Role.MEMBER),
        ("/redemptions", "redemptions", Role.MEMBER),
        ("/payments", "payments", Role.ADMIN),
        ("/claims", "claims", Role.ADMIN),
        ("/nightly-runs", "runs", Role.ANALYST),
    ],
)
def test_a_list_is_as_long_as_asked_and_begins_where_it_says(
    shop: Shop, caller: Calls, path: str, name: str, role: Role
) -> None:
    """Members' lists are sorted newest first, administrators' work lists oldest first."""
    member = shop.with_points(100)
    placed = [shop.order(member, (shop.product(), 1)) for _ in range(3)]
    api = caller(Role.MEMBER, member)
    for purchase in placed:
        shop.cash_back(member, 5)
        api.post("/claims", {"order_id": str(purchase.order.order_id), "line": 1, "evidence": "It said double."})
        shop.clock.advance(hours=1)
        shop.night()
    asks = api if role is Role.MEMBER else caller(role, new_id())
    whole = asks.get(path).json()[name]
    assert len(whole) >= 3
    assert asks.get(path, limit=2).json()[name] == whole[:2]
    when = next(field for field in ("instructed_at", "opened_at", "redeemed_at", "started_at") if field in whole[0])
    times = [record[when] for record in whole]
    assert times == sorted(times, reverse=role is not Role.ADMIN)
    if role is Role.MEMBER:
        assert caller(Role.MEMBER, shop.member()).get(path).json()[name] == []


def test_who_asks_for_what_there_is_none_of_is_told_its_name(shop: Shop, caller: Calls) -> None:
    member, none = shop.with_points(10), str(new_id())
    api, admin = caller(Role.MEMBER, member), caller(Role.ADMIN, new_id())
    order = str(shop.order(member, (shop.product(), 1)).order.order_id)
    answers = [
        api.get(f"/wallet/lots/{none}"),
        api.get(f"/redemptions/{none}"),
        api.get(f"/orders/{none}"),
        api.post(f"/redemptions/{none}/cancellation", {}),
        api.post("/redemptions", {"kind": "item", "offer_id": none}),
        api.post(f"/offers/{none}/subscriptions", {}),
        api.delete(f"/subscriptions/{none}"),
        api.post("/claims", {"order_id": none, "line": 1, "evidence": "I bought it."}),
        admin.post(f"/redemptions/{none}/fulfilment", {}),
        admin.post(f"/claims/{none}/decision", {"reason": "No."}),
        admin.post(f"/payments/{none}/transitions", {"to": "sent"}),
        caller(Role.VENDOR, new_id()).get(f"/statements/{none}/2026-03"),
    ]
    assert [(answer.status_code, none in answer.json()["detail"]) for answer in answers] == [(404, True)] * len(answers)
    unknown = api.post("/claims", {"order_id": order, "line": 2, "evidence": "I bought it."})
    assert (unknown.status_code, order in unknown.json()["detail"]) == (404, True)


def test_what_is_decided_already_is_told_with_its_state(shop: Shop, caller: Calls) -> None:
    lived(shop, caller)
    admin = caller(Role.ADMIN, new_id())
    with shop.db.read() as session:
        claims, redemptions, payments = (
            session.rows(f"SELECT {key}, state FROM {table} WHERE state <> 'instructed'")
            for table, key in (("claims", "claim_id"), ("redemptions", "redemption_id"), ("payments", "payment_id"))
        )
    answers = [(state, admin.post(f"/claims/{claim}/decision", {"reason": "No."})) for claim, state in claims]
    answers += [(state, admin.post(f"/redemptions/{redemption}/fulfilment", {})) for redemption, state in redemptions]
    answers += [(state, admin.post(f"/payments/{payment}/transitions", {"to": "sent"})) for payment, state in payments]
    assert {state for state, _ in answers} == {"accepted", "refused", "fulfilled", "cancelled", "settled", "failed"}
    for state, answer in answers:
        assert (answer.status_code, state in answer.json()["detail"]) == (409, True), answer.json()["detail"]
