"""Tests of return terms, which products, categories and the program have, and which an order freezes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product as every
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field, TypeAdapter

from app.catalog import return_terms
from app.catalog.return_terms import KINDS, Kind, ReturnReason, ReturnTerms
from app.errors import Conflict
from app.ids import new_id
from app.ledger import service as journal
from app.ledger.visibility import SHOWN_TO_ANALYSTS
from app.orders.models import Placed
from app.orders.service import ReturnRefused
from app.program.models import ReturnPolicy
from app.signing import Role
from app.wallet.models import LotState
from tests.conftest import Superuser
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
Terms = Mapping[str, Any]
CHANGED_MIND = ReturnReason.CHANGED_MIND
HARD_AND_EASY: dict[str, tuple[Terms, Terms]] = {
    "days": ({"days": 0}, {"days": 5}),
    "final_sale": ({"final_sale": True}, {"final_sale": False}),
    "most_units": ({"most_units": 1}, {"most_units": 2}),
    "reasons": ({"reasons": ["damaged", "wrong_item"]}, {"reasons": ["damaged", "changed_mind"]}),
    "points": ({"points": "only_pending"}, {"points": "negative"}),
}
"""Of each kind, a value by which units or points do not come back, and one by which they do."""


@dataclass(frozen=True)
class Levels:
    """A product, its category and the program, on each of which return terms can be set by the API."""

    shop: Shop
    caller: Calls
    vendor: UUID
    product: str
    category: str

    @classmethod
    def of(cls, shop: Shop, caller: Calls) -> "Levels":
        """Create a product in a category of its own, on which return terms can then be set."""
        vendor = shop.vendor()
        product_id = shop.product(vendor, category=str(new_id()), price_minor=100)
        shown = caller(Role.MEMBER, new_id()).get(f"/products/{product_id}").json()
        return cls(shop, caller, vendor, shown["product_id"], shown["category_id"])

    def set(self, level: str, terms: Terms) -> None:
        admin, seller = self.caller(Role.ADMIN, new_id()), self.caller(Role.VENDOR, self.vendor)
        person, path = {
            "product": (seller, f"/products/{self.product}"),
            "category": (admin, f"/categories/{self.category}"),
            "program": (admin, "/program"),
        }[level]
        answer = person.patch(path, {"return_terms": terms})
        assert answer.status_code == 200, answer.text

    def shown(self) -> Any:
        return self.caller(Role.MEMBER, new_id()).get(f"/products/{self.product}").json()

    def order(self, units: int = 2) -> Placed:
        return self.shop.order(self.shop.member(), (UUID(self.product), units))


@pytest.fixture
def levels(shop: Shop, caller: Calls) -> Levels:
    return Levels.of(shop, caller)


def comes_back(shop: Shop, placed: Placed, kind: str) -> bool:
    """Return whether a return of two units is accepted or, for the kind `points`, takes back confirmed points."""
    if kind == "points":
        shop.tomorrow(30)
        shop.night()
        return bool(shop.give_back(placed, 2, vendor_id=placed.lines[0].vendor_id).points)
    before = shop.counts()
    try:
        shop.give_back(placed, 2, reason_code=CHANGED_MIND)
    except ReturnRefused as refused:
        return shop.counts() != before or refused.errors[0].field != f"return_terms.{kind}"
    return True


@pytest.mark.parametrize("kind", HARD_AND_EASY)
def test_the_products_term_counts_before_its_categorys_and_that_before_the_programs(
    shop: Shop, caller: Calls, kind: str
) -> None:
    """Tries each kind of return term with each of the three levels unset, strict or lenient: 27 cases a kind."""
    hard, easy = HARD_AND_EASY[kind]
    for settings in every((None, hard, easy), repeat=3):
        levels = Levels.of(shop, caller)
        given = dict(zip(("product", "category", "program"), settings, strict=True))
        levels.set("program", easy if kind in ("days", "points") else {kind: None})
        for level, terms in given.items():
            if terms:
                levels.set(level, terms)
        in_force = next((terms for terms in settings if terms), easy)
        placed = levels.order()
        if any(settings):
            assert levels.shown()["return_terms"][kind] == placed.lines[0].return_terms[kind] == in_force[kind]
        assert comes_back(shop, placed, kind) is (in_force is easy), given
    assert shop.disagreements() == []


@pytest.mark.parametrize("kind", HARD_AND_EASY)
@pytest.mark.parametrize("bought_on", ["hard", "easy"])
def test_what_was_in_force_at_the_purchase_counts_however_it_changes(
    shop: Shop, levels: Levels, kind: str, bought_on: str
) -> None:
    hard, easy = HARD_AND_EASY[kind]
    at_first, later = (hard, easy) if bought_on == "hard" else (easy, hard)
    levels.set("category", at_first)
    placed = levels.order()
    for level in ("program", "category", "product"):
        levels.set(level, later)
    assert shop.look(placed).lines == placed.lines
    assert comes_back(shop, placed, kind) is (bought_on == "easy")
    assert comes_back(shop, levels.order(), kind) is (bought_on == "hard")
    assert shop.disagreements() == []


@pytest.mark.parametrize("kind", HARD_AND_EASY)
def test_who_sold_the_line_may_accept_what_its_terms_refuse(shop: Shop, levels: Levels, kind: str) -> None:
    levels.set("product", HARD_AND_EASY[kind][0])
    placed = levels.order()
    assert shop.give_back(placed, 2, vendor_id=levels.vendor).units == 2
    assert shop.disagreements() == []


ALL = {
    "days": 9,
    "most_units": 2,
    "reasons": ["damaged", "does_not_fit"],
    "points": "negative",
}
SAYS = [
    "It can be returned within 9 days.",
    "At most 2 units of an order can be returned.",
    "It is taken back only if it is damaged or it does not fit.",
    "Returning it takes its points back; spent ones that your balance lacks are owed.",
]


def test_they_are_shown_before_buying_and_afterwards_alike(shop: Shop, caller: Calls, levels: Levels) -> None:
    levels.set("product", ALL)
    api = caller(Role.MEMBER, shop.member())
    lines = {"lines": [{"product_id": levels.product, "units": 1}]}
    order = api.post("/orders", lines).json()
    places = [
        levels.shown(),
        *api.get("/products").json()["products"],
        *api.post("/orders/quote", lines).json()["lines"],
        *order["lines"],
        *api.get(f"/orders/{order['order_id']}").json()["lines"],
    ]
    assert [(place["return_terms"], place["return_says"]) for place in places] == [(ALL, SAYS)] * 5
    assert {place["return_window_days"] for place in places} == {9}


def test_the_defaults_of_category_and_program_are_shown(caller: Calls, levels: Levels) -> None:
    anyone = caller(Role.MEMBER, new_id())
    levels.set("program", {"final_sale": True})
    levels.set("category", ALL)
    assert anyone.get("/program").json()["return_terms"] == {
        "days": 14,
        "points": "within_balance",
        "final_sale": True,
    }
    assert [category["return_terms"] for category in anyone.get("/categories").json()["categories"]] == [ALL]
    assert levels.shown()["return_says"] == ["This is a final sale.", "It can't be returned."]


def test_a_refusal_names_each_term_that_is_not_met(shop: Shop, caller: Calls, levels: Levels) -> None:
    levels.set("product", {**ALL, "most_units": 1})
    placed = levels.order()
    api, path = caller(Role.MEMBER, placed.order.member_id), f"/orders/{placed.order.order_id}/returns"
    wanted = {"line": 1, "units": 2, "reason": "the colour"}
    refused = api.post(path, wanted).json()
    assert (refused["status"], refused["type"].rpartition(":")[2]) == (409, "return-refused")
    assert [(error["field"], error["message"]) for error in refused["errors"]] == [
        ("return_terms.most_units", "at most 1 unit of an order can be returned"),
        (
            "return_terms.reasons",
            "it is taken back only if it is damaged or it does not fit (reason_code damaged or does_not_fit)",
        ),
    ]
    shop.tomorrow(9)
    late = api.post(path, {**wanted, "units": 1, "reason_code": "damaged"}).json()
    assert [error["message"] for error in late["errors"]] == [
        "the return window of 9 days ended with the day before 2026-03-11"
    ]


def test_units_of_several_returns_count_together(shop: Shop, levels: Levels) -> None:
    levels.set("product", {"most_units": 3})
    placed = levels.order(units=5)
    shop.give_back(placed, 2)
    with pytest.raises(ReturnRefused, match=r"at most 3 units of an order can be returned: 2 came back already"):
        shop.give_back(placed, 2)
    shop.give_back(placed, 1)
    shop.give_back(placed, 1, vendor_id=levels.vendor)
    assert shop.look(placed).lines[0].returned_units == 4


def test_the_code_of_the_reason_is_kept_with_the_return(shop: Shop, caller: Calls, levels: Levels) -> None:
    placed = levels.order()
    api, path = caller(Role.MEMBER, placed.order.member_id), f"/orders/{placed.order.order_id}/returns"
    wanted = {"line": 1, "units": 1, "reason": "It came in pieces"}
    assert api.post(path, {**wanted, "reason_code": "broken"}).status_code == 422
    came_back = api.post(path, {**wanted, "reason_code": "damaged"}).json()
    assert api.post(path, wanted).json()["reason_code"] is None
    assert [row["reason_code"] for row in api.get(path).json()["returns"]] == ["damaged", None]
    with shop.db.read() as session:
        (entry,) = journal.history(session, "returns", came_back["return_id"])
    assert entry.data["reason_code"] == "damaged"


def test_points_of_a_final_sale_can_be_spent_at_once(shop: Shop, levels: Levels) -> None:
    """A final sale can't be returned, so its points need not wait for a return window."""
    levels.set("category", {"final_sale": True})
    placed = levels.order()
    line = placed.lines[0]
    assert (line.matures_on, line.return_window_days) == (placed.order.business_date, 0)
    assert shop.wallet(placed.order.member_id) == (0, 10)
    assert [lot.state for lot in shop.lots(placed.order.member_id)] == [LotState.CONFIRMED]
    assert levels.shown()["earns"]["confirmed_on"] == str(placed.order.business_date)
    assert shop.disagreements() == []


def test_a_line_from_before_terms_were_kept_goes_by_its_days_and_the_programs_policy(
    shop: Shop, levels: Levels, superuser: Superuser
) -> None:
    levels.set("product", {"days": 9})
    inside, late = levels.order(), levels.order()
    superuser.execute("UPDATE order_lines SET return_terms = NULL")  # as the code of then left it
    superuser.commit()
    levels.set("product", {"final_sale": True, "points": "only_pending", "most_units": 1})
    shown = shop.look(inside).lines[0]
    assert (shown.return_terms, shown.return_window_days) == ({"days": 9}, 9)
    assert shop.give_back(inside, 2).points == 10
    shop.tomorrow(9)
    with pytest.raises(Conflict, match="9 days ended"):
        shop.give_back(late, 2)
    shop.program(return_policy=ReturnPolicy.ONLY_PENDING)
    assert shop.give_back(late, 1, vendor_id=levels.vendor).points == 0
    shop.program(return_policy=ReturnPolicy.NEGATIVE)
    assert shop.give_back(late, 1, vendor_id=levels.vendor).points == 5


def test_an_order_is_placed_on_the_terms_that_were_quoted_or_not_at_all(
    shop: Shop, caller: Calls, levels: Levels
) -> None:
    api = caller(Role.MEMBER, shop.member())
    wanted = {"lines": [{"product_id": levels.product, "units": 1}]}
    quoted = api.post("/orders/quote", wanted).json()["quote_id"]
    levels.set("category", {"most_units": 1})
    before = shop.counts()
    refused = api.post("/orders", {**wanted, "quote_id": quoted})
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "terms-changed")
    assert shop.counts() == before
    anew = api.post("/orders/quote", wanted).json()["quote_id"]
    assert api.post("/orders", {**wanted, "quote_id": anew}).json()["lines"][0]["return_terms"]["most_units"] == 1


# ── a kind of one's own ──────────────────────────────────────────────────────────────────────────────────────────────

_NUMBER: TypeAdapter[Any] = TypeAdapter(Annotated[int, Field(strict=True, ge=0, le=9)])
NEW = {
    "refuses": Kind(
        "boxes",
        _NUMBER,
        lambda least: f"Return at least {least} units together.",
        lambda least, request: "too few together" if request.units < least else "",
    ),
    "leaves no days": Kind(
        "hygiene", _NUMBER, lambda _: "It is sealed for hygiene.", lambda *_: "the seal is broken", lambda _: 0
    ),
    "keeps points": Kind("kind_of_gift", _NUMBER, lambda _: "", policy=lambda _: ReturnPolicy.ONLY_PENDING),
}


@pytest.fixture(params=list(NEW))
def new_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    """Add a kind of return term to the registry."""
    kind = NEW[request.param]
    # First, as it would be written before a kind that it has to go before.
    monkeypatch.setattr(return_terms, "KINDS", {kind.name: kind, **KINDS})
    return kind


@pytest.mark.parametrize("level", ["program", "category", "product", "feed"])
def test_a_new_kind_of_term_is_a_row_and_its_functions(
    shop: Shop, caller: Calls, levels: Levels, new_kind: Kind, level: str
) -> None:
    name, before = new_kind.name, levels.order()
    if level == "feed":
        sku = levels.shown()["sku"]
        feed = f"sku,name,brand,department,category,price,return_{name}\n{sku},A,B,D,C,1.00,2\n".encode()
        seller = caller(Role.VENDOR, levels.vendor)
        headers = {**seller.headers, "Content-Type": "text/csv", "Idempotency-Key": "a"}
        report = seller.client.post(f"/vendors/{levels.vendor}/feeds", content=feed, headers=headers).json()
        assert report["updated"] == 1, report
    else:
        levels.set(level, {name: 2})
    shown, placed = levels.shown(), levels.order()
    assert shown["return_terms"][name] == placed.lines[0].return_terms[name] == 2
    assert new_kind.says(2) in ["", *shown["return_says"]]
    if new_kind.says(2):
        with pytest.raises(ReturnRefused) as refused:
            shop.give_back(placed, 1)
        assert f"return_terms.{name}" in [error.field for error in refused.value.errors]
    shop.give_back(before, 1)
    closed = new_kind.days(2) == 0
    assert shop.wallet(placed.order.member_id) == ((0, 10) if closed else (10, 0))
    shop.tomorrow(30)
    shop.night()
    taken = shop.give_back(placed, 2, vendor_id=levels.vendor).points
    assert taken == (0 if new_kind.policy(2) else 10)
    assert shop.disagreements() == []


def test_terms_that_newer_code_wrote_are_left_alone_by_this(
    shop: Shop, levels: Levels, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setitem(KINDS, "boxes", NEW["refuses"])
        levels.set("product", {"boxes": 2})
        placed = levels.order()
    assert levels.shown()["return_terms"]["boxes"] == 2
    levels.set("product", {"most_units": 1})
    assert levels.shown()["return_terms"]["boxes"] == 2
    assert shop.give_back(placed, 1).units == 1


def test_analysts_see_each_kind_of_term() -> None:
    for table in ("products", "categories", "program"):
        assert {f"return_terms.{name}" for name in KINDS} <= SHOWN_TO_ANALYSTS[table]
    assert {f"lines.return_terms.{name}" for name in KINDS} <= SHOWN_TO_ANALYSTS["orders"]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_says_something_of_each_value(kind: Kind) -> None:
    assert HARD_AND_EASY[kind.name]
    for terms in HARD_AND_EASY[kind.name]:
        value = terms[kind.name]
        assert kind.value.dump_python(kind.value.validate_python(value), mode="json") == value
        assert ReturnTerms(terms).says or value is False
