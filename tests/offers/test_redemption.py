"""Tests of redeeming points for an item or cash back: without payment, and at most once."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.errors import BadInput, FieldError
from app.ids import new_id
from app.offers import service as offers
from app.offers.models import Item, Promotion
from app.signing import Role
from app.wallet import service as wallets
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


def item(offer_id: UUID) -> dict[str, str]:
    return {"kind": "item", "offer_id": str(offer_id)}


@pytest.mark.parametrize("lots", [3, 4, 5])
def test_every_lot_that_a_redemption_draws_from_is_in_the_ledger(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, lots: int
) -> None:
    """The ledger lists the draws in the redemption's document or, if there are too many, in further documents."""
    monkeypatch.setattr(wallets, "MOST_DRAWS", 4)
    member = shop.member()
    shop.order(member, *[(shop.product(return_window_days=0), 1) for _ in range(lots)])
    spent = shop.cash_back(member, 5 * lots)
    with shop.db.read() as session:
        (own, number), *_ = session.rows(
            "SELECT data->'draws', (data->>'drawn_from')::int FROM journal_revisions WHERE table_name = 'redemptions'"
        )
        following = session.rows(
            "SELECT document_id, data FROM journal_revisions WHERE table_name = 'redemption_draws' ORDER BY 1"
        )
    drawn = [*own, *(draw for _, data in following for draw in data["items"])]
    assert (number, len(own)) == (lots, lots if lots <= 4 else 0)
    assert sorted((draw["lot_id"], draw["points"]) for draw in drawn) == sorted(
        (str(lot.lot_id), 5) for lot in shop.lots(member)
    )
    assert [(document, data["redemption_id"], data["member_id"]) for document, data in following] == [
        (f"{spent.redemption_id}/{place}", str(spent.redemption_id), str(member)) for place in range(len(following))
    ]


def test_an_item_takes_its_points_and_one_off_the_shelf(shop: Shop, caller: Calls) -> None:
    member, mug = shop.with_points(100), shop.offer(Item(points=40), on_hand=5)
    api = caller(Role.MEMBER, member)
    answer = api.post("/redemptions", item(mug))
    assert answer.status_code == 201
    redemption = answer.json()
    assert (redemption["kind"], redemption["state"], redemption["points"], redemption["amount_minor"]) == (
        "item",
        "requested",
        40,
        None,
    )
    assert redemption["offer_id"] == str(mug)
    assert (shop.wallet(member), shop.balance("program_liability")) == ((0, 60), 40)
    with shop.db.read() as session:
        assert offers.offer(session, mug).on_hand == 4
    assert api.get(f"/redemptions/{redemption['redemption_id']}").json() == redemption
    assert api.get("/redemptions").json() == {"redemptions": [redemption], "next": None}
    other = caller(Role.MEMBER, shop.member())
    assert other.get(f"/redemptions/{redemption['redemption_id']}").status_code == 404
    assert other.get("/redemptions").json() == {"redemptions": [], "next": None}


def test_cash_back_pays_what_the_program_says_a_point_is_worth(shop: Shop, caller: Calls) -> None:
    shop.program(minor_per_100_points=50)
    member = shop.with_points(100)
    answer = caller(Role.MEMBER, member).post("/redemptions", {"kind": "cash_back", "points": 90})
    assert (answer.status_code, answer.json()["amount_minor"], answer.json()["points"]) == (201, 45, 90)
    assert shop.wallet(member) == (0, 10)


def test_what_cannot_be_redeemed_is_refused_and_leaves_no_row(shop: Shop, caller: Calls) -> None:
    member = shop.with_points(100)
    mug, gone = shop.offer(Item(points=40), on_hand=5), shop.offer(Item(points=40), on_hand=0)
    dear, promotion = shop.offer(Item(points=101), on_hand=1), shop.offer(Promotion())
    ended = shop.offer(Item(points=1), on_hand=5, days=1)
    shop.tomorrow(2)
    shop.program(minor_per_100_points=50)
    api, before = caller(Role.MEMBER, member), shop.counts()
    refused: list[tuple[dict[str, Any], int]] = [
        (item(gone), 409),
        (item(dear), 402),
        (item(promotion), 409),
        (item(ended), 409),
        (item(new_id()), 404),
        ({"kind": "cash_back", "points": 102}, 402),
        ({"kind": "cash_back", "points": 10**12}, 402),
        ({"kind": "cash_back", "points": 10**15}, 422),
    ]
    for body, status in refused:
        assert api.post("/redemptions", body).status_code == status, body
    assert (shop.counts(), shop.wallet(member)) == (before, (0, 100))
    with shop.db.read() as session:
        assert [offers.offer(session, offer).on_hand for offer in (mug, dear)] == [5, 1]


def test_pending_points_cannot_be_spent(shop: Shop, caller: Calls) -> None:
    member = shop.member()
    shop.order(member, (shop.product(price_minor=10_000), 1))
    assert shop.wallet(member) == (500, 0)
    answer = caller(Role.MEMBER, member).post("/redemptions", {"kind": "cash_back", "points": 1})
    assert (answer.status_code, answer.json()["detail"]) == (402, "1 points are needed, 0 are available")


@pytest.mark.parametrize(("stock", "points", "refusals"), [(1, 40, {402, 409}), (1, 800, {409}), (20, 40, {402})])
def test_of_twenty_redemptions_at_once_one_succeeds(
    shop: Shop, caller: Calls, stock: int, points: int, refusals: set[int]
) -> None:
    """Each case allows one redemption: by the balance, by the stock, or by both."""
    member, mug = shop.with_points(points), shop.offer(Item(points=40), on_hand=stock)
    api, start = caller(Role.MEMBER, member), Barrier(20)
    assert api.get("/wallet").status_code == 200
    before = shop.counts()

    def redeem(_: int) -> int:
        start.wait()
        return int(api.post("/redemptions", item(mug)).status_code)

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(redeem, range(20)))
    assert statuses.count(201) == 1
    assert set(statuses) - {201} <= refusals
    assert shop.wallet(member) == (0, points - 40)
    after = shop.counts()
    assert {table: after[table] - before[table] for table in ("redemptions", "journal_revisions", "postings")} == {
        "redemptions": 1,
        "journal_revisions": 1,
        "postings": 2,
    }
    with shop.db.read() as session:
        assert offers.offer(session, mug).on_hand == stock - 1
    assert shop.disagreements() == []


@pytest.mark.parametrize(
    ("points", "code", "hint", "detail"),
    [
        (
            10**12 + 100,
            "too-many",
            "fewer at a time",
            "1000000000100 points are worth more than USD 10,000,000,000.00",
        ),
        (3, "not-whole", "100 points are USD 0.50", "3 points are not worth a whole number of minor units of USD"),
    ],
)
def test_cash_back_of_too_many_points_or_a_part_of_a_cent_is_refused_with_its_field(
    shop: Shop, points: int, code: str, hint: str, detail: str
) -> None:
    member = shop.with_points(100)
    if code == "not-whole":
        shop.program(minor_per_100_points=50)
    with pytest.raises(BadInput) as refusal:
        shop.cash_back(member, points)
    assert (str(refusal.value), refusal.value.errors) == (detail, [FieldError("points", code, hint)])
    assert shop.wallet(member) == (0, 100)


@pytest.mark.parametrize(
    "closed_to",
    [
        {"income_bands": ["50-74K"]},
        {"marital_status": "unmarried"},
        {"income_bands": ["150-174K"], "marital_status": "unmarried"},
        {"income_bands": ["50-74K"], "marital_status": "married"},
    ],
)
def test_an_item_for_a_segment_is_for_its_members_alone(shop: Shop, caller: Calls, closed_to: dict[str, Any]) -> None:
    member = shop.with_points(100)
    api = caller(Role.MEMBER, member)
    api.patch("/members/me", {"income_band": "150-174K", "marital_status": "married"})
    api.put("/members/me/consent", {"recommendations": True})
    open_to = {"income_bands": ["150-174K"], "marital_status": "married"}
    mine, other = (
        shop.offer(Item.model_validate_json(json.dumps({"points": 1, **segment})), on_hand=9)
        for segment in (open_to, closed_to)
    )
    assert api.post("/redemptions", item(mine)).status_code == 201
    assert api.post("/redemptions", item(other)).status_code == 403
    assert shop.wallet(member) == (0, 99)
