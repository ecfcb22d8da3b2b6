"""Thirty-two callers who redeem out of one wallet at once."""

import time
from concurrent.futures import ThreadPoolExecutor

from app.errors import Conflict, NotEnough
from tests.benchmarks.night import NOW, scratch
from tests.benchmarks.report import Result, at_least
from tests.shop import Shop

CALLERS = 32
SECONDS = 10.0
POINTS = 100_000


def measure() -> list[Result]:
    with scratch() as (db, _):
        shop = Shop(db, NOW)  # type: ignore[arg-type]  # nothing moves its clock
        member = shop.with_points(POINTS)
        until = time.perf_counter() + SECONDS

        def redeem(_: int) -> tuple[int, int, int]:
            done = refused = failed = 0
            while time.perf_counter() < until:
                try:
                    shop.cash_back(member, 7)
                    done += 1
                except (NotEnough, Conflict):
                    refused += 1
                except Exception:  # whatever it is, it is counted as a failure
                    failed += 1
            return done, refused, failed

        with ThreadPoolExecutor(CALLERS) as callers:
            outcomes = list(callers.map(redeem, range(CALLERS)))
        done, _, failed = (sum(column) for column in zip(*outcomes, strict=True))
        whole = shop.wallet(member)[1] == POINTS - 7 * done and not shop.disagreements()
    return [
        Result(f"redemptions out of one wallet, {CALLERS} callers", round(done / SECONDS), "1/s"),
        at_least("of them without a failure other than 402 and 409", done / (done + failed), "×", 1),
        at_least("wallet, lots, postings and ledger agree after it", float(whole), "", 1),
    ]
