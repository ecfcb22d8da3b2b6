"""Tests of idempotency keys: a repeated request gets the stored response, and its work is done only once."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from threading import Event, Thread
from typing import Any
from uuid import UUID

import pytest
from fastapi.responses import Response
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict

from app import ledger
from app.db import Database, WriteSession
from app.errors import InFlight, KeyReused
from app.idempotency import KEPT, TRIES, Once
from app.signing import Role
from tests.shop import Shop

Calls = Callable[[Role, UUID], Any]


class Answer(BaseModel):
    number: int


def once(shop: Shop, key: str = "a key", body: bytes = b"a body") -> Once:
    return Once(shop.db, shop.clock, key, sha256(body).digest(), 201)


def effects(db: Database) -> int:
    with db.read() as session:
        return int(session.value("SELECT count(*) FROM journal_revisions WHERE table_name = 'test'"))


def work(session: WriteSession) -> Answer:
    ledger.append(session, "test", "a", {})
    return Answer(number=1)


def replayed(answer: Response) -> bool:
    return answer.headers.get("Idempotent-Replayed") == "true"


def order_of(product: UUID, units: int = 1) -> dict[str, Any]:
    return {"lines": [{"product_id": str(product), "units": units}]}


def test_the_same_key_and_body_give_the_same_bytes_and_one_effect(shop: Shop, caller: Calls) -> None:
    product, api = shop.product(stock=10), caller(Role.MEMBER, shop.member())
    first = api.post("/orders", order_of(product, 3), key="mine")
    shop.tomorrow()
    after = shop.counts()
    again = api.post("/orders", order_of(product, 3), key="mine")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"] == "application/json"
    assert ("Idempotent-Replayed" in first.headers, again.headers["Idempotent-Replayed"]) == (False, "true")
    assert (shop.counts(), shop.on_hand(product)) == (after, 7)


def test_the_same_key_with_another_body_or_path_is_refused(shop: Shop, caller: Calls) -> None:
    product, api = shop.product(), caller(Role.MEMBER, shop.with_points(10))
    assert api.post("/orders", order_of(product, 1), key="mine").status_code == 201
    after = shop.counts()
    for path, body in (("/orders", order_of(product, 2)), ("/redemptions", {"kind": "cash_back", "points": 1})):
        answer = api.post(path, body, key="mine")
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:rewards:problem:idempotency-key-reused")
    assert shop.counts() == after


def test_keys_are_each_callers_own(shop: Shop, caller: Calls) -> None:
    product = shop.product()
    buyer, other = (caller(Role.MEMBER, member) for member in shop.members(2))
    first = buyer.post("/orders", order_of(product), key="ours")
    second = other.post("/orders", order_of(product), key="ours")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["order_id"] != second.json()["order_id"]
    assert "Idempotent-Replayed" not in second.headers
    assert other.get(f"/orders/{first.json()['order_id']}").status_code == 404


def test_a_post_without_a_key_is_refused(shop: Shop, client: TestClient, token: Any) -> None:
    headers, body = token(Role.MEMBER, shop.member()), order_of(shop.product())
    before = shop.counts()
    for key in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 201}):
        answer = client.post("/orders", json=body, headers={**headers, **key})
        assert answer.status_code == 422, key
        assert [error["field"] for error in answer.json()["errors"]] == ["header.Idempotency-Key"]
    assert shop.counts() == before


def test_a_refused_request_leaves_its_key_free(shop: Shop, caller: Calls) -> None:
    product, api = shop.product(stock=1), caller(Role.MEMBER, shop.member())
    assert api.post("/orders", order_of(product, 2), key="mine").status_code == 409
    shop.change(*seller_of(shop, product), stock=2)
    answer = api.post("/orders", order_of(product, 2), key="mine")
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def seller_of(shop: Shop, product_id: UUID) -> tuple[UUID, UUID]:
    with shop.db.read() as session:
        return session.value("SELECT vendor_id FROM products WHERE product_id = %s", (product_id,)), product_id


def test_work_that_dies_leaves_no_effect_and_a_free_key(shop: Shop) -> None:
    def dies(session: WriteSession) -> Answer:
        work(session)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once(shop)("someone", dies)
    assert effects(shop.db) == 0
    assert not replayed(once(shop)("someone", work))
    assert effects(shop.db) == 1


def test_a_request_in_flight_is_refused_until_it_is_answered(shop: Shop) -> None:
    working, finish = Event(), Event()
    answers: list[Response] = []

    def slow(session: WriteSession) -> Answer:
        working.set()
        assert finish.wait(10)
        return work(session)

    thread = Thread(target=lambda: answers.append(once(shop)("someone", slow)))
    thread.start()
    assert working.wait(10)
    try:
        with pytest.raises(InFlight):
            once(shop)("someone", work)
        assert not replayed(once(shop)("someone else", work))
        assert not replayed(once(shop, key="another key")("someone", work))
    finally:
        finish.set()
        thread.join(10)
    again = once(shop)("someone", work)
    assert (replayed(again), again.body) == (True, answers[0].body)
    assert effects(shop.db) == 3


def test_of_many_at_once_one_has_the_effect_and_none_another_answer(shop: Shop) -> None:
    answers: list[bytes | memoryview] = []
    numbers = count()

    def numbered(session: WriteSession) -> Answer:
        work(session)
        return Answer(number=next(numbers))

    def ask() -> None:
        for _ in range(10):
            with suppress(InFlight):
                answers.append(once(shop)("someone", numbered).body)

    threads = [Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(set(answers)), effects(shop.db)) == (1, 1)
    assert len(answers) > 6


def test_after_a_day_the_key_is_free(shop: Shop) -> None:
    once(shop)("someone", work)
    shop.clock.instant += KEPT
    with pytest.raises(KeyReused):
        once(shop, body=b"another body")("someone", work)
    assert replayed(once(shop)("someone", work))
    shop.clock.advance(microseconds=1)
    assert not replayed(once(shop, body=b"another body")("someone", work))
    assert effects(shop.db) == 2
    assert replayed(once(shop, body=b"another body")("someone", work))


def test_what_may_be_shown_once_is_not_kept(shop: Shop) -> None:
    def keep(answer: BaseModel) -> BaseModel:
        return answer.model_copy(update={"number": 0})

    assert once(shop)("someone", work, keep).body == b'{"number":1}'
    assert once(shop)("someone", work, keep).body == b'{"number":0}'


def test_a_deadlock_is_tried_again_and_the_effect_is_one(shop: Shop) -> None:
    tries: list[int] = []

    def unlucky(session: WriteSession) -> Answer:
        tries.append(len(tries))
        done = work(session)
        if len(tries) < TRIES:
            session.count("DO $$ BEGIN RAISE EXCEPTION 'unlucky' USING ERRCODE = 'deadlock_detected'; END $$")
        return done

    once(shop)("someone", unlucky)
    assert (len(tries), effects(shop.db)) == (TRIES, 1)


def test_what_work_returns_is_answered_as_the_routes_model(shop: Shop) -> None:
    """Only the fields that the route's response model has are stored and returned."""

    @dataclass(frozen=True)
    class Counted:
        number: int
        secret: str

    class Number(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        number: int

    counting = replace(once(shop), model=Number)
    assert counting("someone", lambda _: Counted(7, "inside")).body == b'{"number":7}'
    again = counting("someone", lambda _: Counted(8, "inside"))
    assert replayed(again)
    assert again.body == b'{"number":7}'
