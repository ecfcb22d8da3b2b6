"""Tests of joining the loyalty program, changing a profile, and consent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest

from app.ids import new_id
from app.ledger import service as ledger_service
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]
ADA = {"name": "Ada", "income_band": "50-74K", "marital_status": "married"}


@pytest.fixture
def ada(caller: Calls) -> Any:
    """Return an API client of a member who has joined."""
    api = caller(Role.MEMBER, new_id())
    assert api.post("/members", ADA).status_code == 201
    return api


def history(shop: Shop, member_id: str) -> list[Any]:
    with shop.db.read() as session:
        return [entry.data for entry in ledger_service.history(session, "members", member_id)]


def test_who_joins_is_a_member_and_can_shop(shop: Shop, caller: Calls) -> None:
    person = new_id()
    api = caller(Role.MEMBER, person)
    assert api.get("/members/me").status_code == 404
    answer = api.post("/members", ADA)
    joined = {**ADA, "member_id": str(person), "consented_at": None, "joined_at": "2026-03-02T15:00:00Z"}
    assert (answer.status_code, answer.json()) == (201, joined)
    assert api.get("/members/me").json() == joined
    order = {"lines": [{"product_id": str(shop.product()), "units": 1}]}
    assert api.post("/orders", order).status_code == 201


def test_joining_twice_is_refused_and_changes_nothing(shop: Shop, ada: Any) -> None:
    me = ada.get("/members/me").json()
    assert ada.post("/members", {"name": "Somebody else"}).status_code == 409
    assert ada.get("/members/me").json() == me
    assert len(history(shop, me["member_id"])) == 1


def test_joining_many_times_at_once_joins_once(shop: Shop, caller: Calls) -> None:
    api, start = caller(Role.MEMBER, new_id()), Barrier(6)
    api.get("/members/me")

    def join(number: int) -> int:
        start.wait()
        return int(api.post("/members", {"name": f"Ada {number}"}).status_code)

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(join, range(6))) == [201, 409, 409, 409, 409, 409]
    me = api.get("/members/me").json()
    assert [data["name"] for data in history(shop, me["member_id"])] == [me["name"]]


def test_only_what_is_sent_changes_and_null_forgets_it(shop: Shop, ada: Any) -> None:
    me = ada.get("/members/me").json()
    for sent, changed in (
        ({}, {}),
        ({"income_band": "250K+"}, {"income_band": "250K+"}),
        ({"marital_status": None}, {"income_band": "250K+", "marital_status": None}),
        ({"name": "Ada L."}, {"income_band": "250K+", "marital_status": None, "name": "Ada L."}),
    ):
        answer = ada.patch("/members/me", sent)
        assert (answer.status_code, answer.json()) == (200, {**me, **changed}), sent
    assert ada.get("/members/me").json() == {**me, **changed}
    assert [data["name"] for data in history(shop, me["member_id"])] == ["Ada", "Ada", "Ada", "Ada", "Ada L."]


def test_a_profile_that_cannot_be_is_refused(shop: Shop, ada: Any, caller: Calls) -> None:
    me, before = ada.get("/members/me").json(), shop.counts()
    refused: list[dict[str, Any]] = [
        {"name": ""},
        {"name": None},
        {"name": "x" * 201},
        {"income_band": "rich"},
        {"marital_status": "complicated"},
        {"consented_at": "2026-01-01T00:00:00Z"},
        {"member_id": str(new_id())},
    ]
    newcomer = caller(Role.MEMBER, new_id())
    for body in refused:
        assert ada.patch("/members/me", body).status_code == 422, body
        assert newcomer.post("/members", {"name": "New", **body}).status_code == 422, body
    for body in ({}, {"recommendations": "yes"}, {"recommendations": 1}, {"recommendations": None}):
        assert ada.put("/members/me/consent", body).status_code == 422, body
    assert (ada.get("/members/me").json(), shop.counts()) == (me, before)


def test_consent_keeps_its_first_date_until_it_is_withdrawn(shop: Shop, ada: Any) -> None:
    given = ada.put("/members/me/consent", {"recommendations": True}).json()
    assert given["consented_at"] == "2026-03-02T15:00:00Z"
    shop.tomorrow()
    assert ada.put("/members/me/consent", {"recommendations": True}).json() == given
    assert ada.put("/members/me/consent", {"recommendations": False}).json()["consented_at"] is None
    again = ada.put("/members/me/consent", {"recommendations": True}).json()
    assert again["consented_at"] == "2026-03-03T15:00:00Z"
    assert ada.get("/members/me").json() == again


def test_segments_are_empty_without_consent_and_tell_what_was_kept_with_it(shop: Shop, ada: Any) -> None:
    me = UUID(ada.get("/members/me").json()["member_id"])
    placed = shop.order(
        me, (shop.product(department="PRODUCE"), 5), (shop.product(), 2), (shop.product(department="DELI"), 3)
    )
    shop.order(me, (shop.product(department="FLORAL"), 1))
    shop.give_back(placed, 4)
    empty: dict[str, Any] = {"income_band": None, "marital_status": None, "buys_most": [], "consented": False}
    assert ada.get("/members/me/segments").json() == empty
    ada.put("/members/me/consent", {"recommendations": True})
    assert ada.get("/members/me/segments").json() == {
        "income_band": "50-74K",
        "marital_status": "married",
        "buys_most": ["DELI", "GROCERY", "FLORAL"],  # of produce one is left, and F comes before P
        "consented": True,
    }
    ada.put("/members/me/consent", {"recommendations": False})
    assert ada.get("/members/me/segments").json() == empty


def test_each_member_sees_only_themselves(ada: Any, caller: Calls) -> None:
    other = caller(Role.MEMBER, new_id())
    other.post("/members", {"name": "Grace"})
    assert (ada.get("/members/me").json()["name"], other.get("/members/me").json()["name"]) == ("Ada", "Grace")
    stranger = caller(Role.MEMBER, new_id())
    assert stranger.patch("/members/me", {"name": "Nobody"}).status_code == 404
    assert stranger.put("/members/me/consent", {"recommendations": True}).status_code == 404
    assert stranger.get("/members/me/segments").status_code == 404
