"""Benchmark 32 callers who redeem points of the same wallet over HTTP, until after its points are used up."""

from app.clock import SystemClock
from app.db import Database
from app.errors import Conflict, NotEnough
from app.settings import Settings
from tests.benchmarks import api, traffic
from tests.benchmarks.report import Result, at_least, at_most
from tests.shop import Shop

CALLERS = 32
SECONDS = 10.0
POINTS = 7_000
EACH = 7
"""A thousand of them empty the wallet: what follows is refused with 402."""


def measure() -> list[Result]:
    with api._platform() as running:
        db = Database.open(Settings(database_url=running.database_url))
        shop = Shop(db, SystemClock())  # type: ignore[arg-type]  # nothing moves its clock
        member = shop.with_points(POINTS)
        headers, body = running.headers(member), b'{"kind": "cash_back", "points": 7}'

        def redeem(connection: int, number: int) -> bytes:
            return traffic.request(
                "POST", "/redemptions", body, {**headers, "Idempotency-Key": f"{connection}-{number}"}
            )

        spending = traffic.run(running.url, redeem, CALLERS, SECONDS)
        with db.read() as session:
            made = session.rows(
                """SELECT count(*), extract(epoch FROM max(redeemed_at) - min(redeemed_at))
                   FROM redemptions WHERE kind = 'cash_back'"""
            )
        whole = shop.wallet(member) == (0, POINTS - EACH * spending.statuses[201]) and not shop.disagreements()
        db.close()
    (done, seconds) = made[0]
    expected = {201, NotEnough.status, Conflict.status}
    failures = sum(number for status, number in spending.statuses.items() if status not in expected)
    return [
        Result(f"redemptions out of one wallet over HTTP, {CALLERS} callers", round(done / float(seconds)), "1/s"),
        Result("refused with 402 or 409 after that", spending.refused - failures, ""),
        at_most("failures other than 402 and 409", failures, "", 0),
        at_least("redemptions that were answered 201 and no others", float(done == spending.statuses[201]), "", 1),
        at_least("wallet, lots, postings and ledger agree after it", float(whole), "", 1),
    ]
