"""Tests of feeds over HTTP: what is applied, reported and stored."""

import asyncio
import csv
import io
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from app.clock import Clock
from app.db import Database
from app.ids import new_id
from app.ledger import service as journal
from app.signing import Role
from app.vendors import intake
from app.vendors.feed import MOST_BYTES
from app.vendors.models import FeedMode, VendorState
from app.vendors.uploads import Upload

HEADER = "sku,name,brand,department,category,price,stock"
GOOD = "A1,Oat cookies,Millrace,GROCERY,COOKIES,3.49,12"
BAD = "A2,Dark chocolate,Millrace,GROCERY,CANDY,4.999,many"
Brought = Callable[[VendorState], tuple[str, Any]]


@pytest.fixture
def seller(vendor: Brought) -> tuple[str, Any]:
    return vendor(VendorState.ACTIVE)


def send(seller: tuple[str, Any], content: str | bytes, mode: str | None = None, key: str | None = None) -> Response:
    vendor_id, api = seller
    answer: Response = api.client.post(
        f"/vendors/{vendor_id}/feeds",
        params={"mode": mode} if mode else {},
        content=content,
        headers={**api.headers, "Idempotency-Key": key or str(new_id()), "Content-Type": "text/csv"},
    )
    return answer


def lines(*rows: str) -> str:
    return "\r\n".join([HEADER, *rows, ""])


def products(seller: tuple[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = seller[1].get("/products", vendor_id=seller[0]).json()["products"]
    return rows


def test_a_good_feed_is_applied_and_its_report_kept(seller: tuple[str, Any]) -> None:
    answer = send(seller, lines(GOOD))
    report = answer.json()
    counts = {name: report[name] for name in ("applied", "rows", "created", "updated", "unchanged", "refused")}
    assert answer.status_code == 201
    assert counts == {"applied": True, "rows": 1, "created": 1, "updated": 0, "unchanged": 0, "refused": 0}
    (shown,) = products(seller)
    assert (shown["sku"], shown["price_minor"], shown["on_hand"]) == ("A1", 349, 12)
    assert seller[1].get(f"/vendors/{seller[0]}/feeds/{report['feed_id']}").json() == report


def test_a_feed_sent_anew_tells_changed_rows_from_unchanged(seller: tuple[str, Any]) -> None:
    send(seller, lines(GOOD, GOOD.replace("A1", "A2")))
    report = send(seller, lines(GOOD, GOOD.replace("A1", "A2").replace("3.49", "3.5"), GOOD.replace("A1", "A3"))).json()
    assert (report["created"], report["updated"], report["unchanged"]) == (1, 1, 1)


def test_the_same_request_twice_is_one_feed(seller: tuple[str, Any]) -> None:
    first, again = send(seller, lines(GOOD), key="k"), send(seller, lines(GOOD), key="k")
    assert again.json() == first.json()
    assert send(seller, lines(GOOD, BAD), key="k").status_code == 422


def test_a_feed_that_was_answered_is_not_read_again(seller: tuple[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = send(seller, lines(GOOD), key="k")
    monkeypatch.setattr("app.vendors.feed.reading", None)
    assert send(seller, lines(GOOD), key="k").json() == first.json()


def test_the_same_bytes_in_another_encoding_are_another_request(seller: tuple[str, Any]) -> None:
    vendor_id, api = seller
    headers = {**api.headers, "Idempotency-Key": "k"}
    content = lines(GOOD.replace("Oat", "Brûlé")).encode("cp1252")

    def sent(kind: str) -> Response:
        answer: Response = api.client.post(
            f"/vendors/{vendor_id}/feeds", content=content, headers={**headers, "Content-Type": kind}
        )
        return answer

    assert sent("text/csv").status_code == 422
    assert sent("text/csv; charset=windows-1252").json()["created"] == 1
    assert sent("text/csv; charset=iso-8859-1").json()["type"] == "urn:rewards:problem:idempotency-key-reused"
    assert products(seller)[0]["name"] == "Brûlé cookies"


def test_a_charset_that_no_parser_takes_is_bad_input_at_worst(seller: tuple[str, Any]) -> None:
    vendor_id, api = seller
    for parameter in (f"charset*{'1' * 5000}=x", "charset*0*=%ff", "charset=\xff", 'charset="\\'):
        headers = {**api.headers, "Idempotency-Key": str(new_id()), "Content-Type": f"text/csv; {parameter}".encode()}
        answer = api.client.post(f"/vendors/{vendor_id}/feeds", content=lines(GOOD), headers=headers)
        assert answer.status_code in {201, 422}, (parameter, answer.text)


def test_all_or_nothing_applies_nothing_and_reports_every_bad_cell(seller: tuple[str, Any]) -> None:
    answer = send(seller, lines(GOOD, BAD))
    report = answer.json()
    assert (answer.status_code, report["mode"], report["applied"]) == (201, "all_or_nothing", False)
    assert (report["rows"], report["refused"], report["created"]) == (2, 1, 0)
    assert [(error["row"], error["column"], error["code"]) for error in report["errors"]] == [
        (3, "price", "too-precise"),
        (3, "stock", "not-a-number"),
    ]
    assert all(error["message"] and error["fix"] for error in report["errors"])
    assert products(seller) == seller[1].get("/categories").json()["categories"] == []


def test_good_rows_are_applied_where_that_is_asked_for(seller: tuple[str, Any]) -> None:
    report = send(seller, lines(GOOD, BAD), mode="good_rows").json()
    assert (report["applied"], report["created"], report["refused"]) == (True, 1, 1)
    assert [product["sku"] for product in products(seller)] == ["A1"]


def test_errors_come_as_a_table_too(seller: tuple[str, Any]) -> None:
    report = send(seller, lines(BAD)).json()
    answer = seller[1].get(f"/vendors/{seller[0]}/feeds/{report['feed_id']}/errors.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    table = list(csv.DictReader(io.StringIO(answer.text)))
    assert table == [{name: str(value) for name, value in error.items()} for error in report["errors"]]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "sku,name\nA,B\n",
        f"{HEADER},colour\n{GOOD},red\n",
        f"{HEADER},sku\n{GOOD},A1\n",
        f'{HEADER}\nA1,"never closed,Millrace,GROCERY,COOKIES,3.49,12\n',
        lines(GOOD).encode("utf-16-le"),
        lines(GOOD.replace("Oat", "Brûlé")).encode("cp1252"),
        "sku," * 250_000,
        b"\x81" + lines(GOOD).encode(),
        lines(*[f"{GOOD}"] * 50_001),
    ],
)
def test_a_feed_that_cannot_be_read_leaves_nothing(db: Database, seller: tuple[str, Any], content: str | bytes) -> None:
    answer = send(seller, content, mode="good_rows")
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:rewards:problem:bad-feed"
    assert products(seller) == []
    with db.read() as session:
        assert session.value("SELECT count(*) FROM feeds") == 0


def test_a_wrong_header_is_named_column_by_column(seller: tuple[str, Any]) -> None:
    answer = send(seller, "sku,name,brand,department,colour,price\n").json()
    assert {error["field"]: error["code"] for error in answer["errors"]} == {
        "category": "missing-column",
        "colour": "unknown-column",
    }
    assert "category" in answer["detail"]
    assert "colour" in answer["detail"]


def test_a_feed_that_is_too_big_is_not_read(seller: tuple[str, Any]) -> None:
    assert send(seller, b"x" * (MOST_BYTES + 1)).json()["type"] == "urn:rewards:problem:too-large"


def test_only_the_vendor_itself_sends_and_reads_its_feeds(seller: tuple[str, Any], vendor: Brought, admin: Any) -> None:
    report = send(seller, lines(GOOD)).json()
    other_id, other = vendor(VendorState.ACTIVE)
    assert send((seller[0], other), lines(GOOD)).status_code == 404
    for path in (f"/feeds/{report['feed_id']}", f"/feeds/{report['feed_id']}/errors.csv"):
        assert admin.get(f"/vendors/{seller[0]}{path}").status_code == 200
        assert other.get(f"/vendors/{seller[0]}{path}").status_code == 404
        assert other.get(f"/vendors/{other_id}{path}").status_code == 404
    assert send((seller[0], admin), lines(GOOD)).status_code == 403


@pytest.mark.parametrize("state", [state for state in VendorState if state is not VendorState.ACTIVE])
def test_only_an_active_vendors_feed_is_taken(db: Database, vendor: Brought, state: VendorState) -> None:
    assert send(vendor(state), lines(GOOD)).status_code == 409
    with db.read() as session:
        assert session.value("SELECT count(*) FROM feeds") == 0


@pytest.mark.parametrize("state", [*VendorState, None])
def test_nothing_is_read_of_a_feed_whose_sender_may_send_none(
    vendor: Brought, caller: Callable[[Role, UUID], Any], state: VendorState | None
) -> None:
    """The state None means that the vendor does not exist."""
    nobody = new_id()
    vendor_id, api = vendor(state) if state else (str(nobody), caller(Role.VENDOR, nobody))
    path = f"/vendors/{vendor_id}/feeds"
    headers = {**api.headers, "Idempotency-Key": "a", "Content-Type": "text/csv", "Content-Length": "9000000"}
    status, reads = asyncio.run(call_and_leave(api.client.app, path, headers))
    expected = {None: 404, VendorState.ACTIVE: 499}.get(state, 409)  # 499: it was read, and nobody sent it
    assert (status, reads > 0) == (expected, state is VendorState.ACTIVE)


async def call_and_leave(app: Any, path: str, headers: dict[str, str]) -> tuple[int, int]:
    """Call an ASGI application, disconnect when it reads the body, and return the status and number of reads."""
    reads, statuses = 0, list[int]()

    async def receive() -> Any:
        nonlocal reads
        reads += 1
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else ())

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "http_version": "1.1", "method": "POST", "path": path, "raw_path": path.encode()}
    await app({**scope, "query_string": b"", "root_path": "", "headers": raw, "client": None}, receive, send)
    return statuses[0], reads


def test_the_journal_tells_of_the_feed_and_of_the_products(db: Database, seller: tuple[str, Any]) -> None:
    report = send(seller, lines(GOOD)).json()
    with db.read() as session:
        feed = journal.history(session, "feeds", report["feed_id"])[0].data
        items = journal.history(session, "products", f"catalogue-{seller[0]}/0")[0].data["items"]
    assert (feed["vendor_id"], feed["created"], len(feed["sha256"])) == (seller[0], 1, 64)
    assert items == [{"vendor_id": seller[0], "products": [["A1", 349, 12, None]]}]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fifty_thousand_rows_are_taken_in_one_transaction_and_twice_the_rows_take_at_most_three_times_as_long(
    db: Database, clock: Clock, seller: tuple[str, Any]
) -> None:
    """All fields have their greatest length in the ledger, so that its limit per transaction holds for every feed."""
    header = f"{HEADER},return_window_days"
    rows = [
        f"{number:040},Thing {number},Brand {number % 50},D{number % 20},C{number % 300},10000000000.00,{10**9},365"
        for number in range(50_000)
    ]
    took = []
    for many, expected in ((50_000, (50_000, 0)), (50_000, (0, 50_000)), (25_000, (0, 25_000))):
        began = time.perf_counter()
        with Upload.of(["\n".join([header, *rows[:many]]).encode()], None) as upload:
            report = intake.take(db, UUID(seller[0]), upload, FeedMode.ALL_OR_NOTHING, clock)
        took.append(time.perf_counter() - began)
        assert (report.created, report.unchanged) == expected
    assert took[1] <= 3 * took[2], took
