"""Tests of all AWS functions with their own logins: first start, restart, recreated stream, read-only database."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from urllib.parse import quote_plus

import pytest
from psycopg_pool import PoolTimeout

from app import functions, logins
from app.db import JOBS
from app.offers.models import Promotion
from app.processes import FUNCTIONS
from tests.conftest import Handled, ReadOnly, Seal
from tests.insights.conftest import journaled
from tests.shop import Shop

FEED = b"SKU,Name,Brand,Department,Category,Price\ntea-1,Green tea,Leaf,GROCERY,TEA,8.00\n"
# What grows when a function has done its work.
WORK: dict[str, LiteralString] = {
    "nightly-rewards": "SELECT count(*) FROM nightly_runs",
    "journal-insights": "SELECT coalesce(sum(orders), 0) FROM sales_windows",
    "hourly-insights": "SELECT coalesce(extract(epoch FROM max(learned_at)), 0) FROM learned",
    "vendor-feed": "SELECT count(*) FROM feeds",
    "journal-export": "SELECT count(*) FROM journal_block_exports WHERE completed",
    "announced-floors": "SELECT count(*) FROM journal_revisions WHERE table_name = 'floors'",
    "digest-anchor": "SELECT coalesce(max(tree_size), 0) FROM journal_anchors",
    "warehouse-load": "SELECT coalesce(max(generation), 0) FROM insight_published",
    "member-erasure": "SELECT count(*) FROM members WHERE name = '(erased)'",
}


@dataclass
class Business:
    """Places orders between two calls of an AWS function, and makes the event for the next call."""

    name: str
    shop: Shop
    seal: Seal
    handled: Handled
    s3: Any
    bucket: str
    stream: int = 1
    orders: int = 0

    def goes_on(self) -> None:
        self.shop.order(self.shop.member(), (self.shop.product(return_window_days=0), 30))
        self.orders += 1
        assert self.seal()
        if self.name == "announced-floors":
            soon = datetime.now(UTC) + timedelta(hours=1)
            self.shop.offer(Promotion(), days=10_000, starts_at=soon, expected_times=100)
        if self.name == "warehouse-load":
            assert self.handled("journal-export")["exports"]

    def call(self) -> Any:
        return self.handled(self.name, self._event())

    def done(self) -> int:
        with self.shop.db.read() as session:
            return int(1_000 * session.value(WORK[self.name]))

    def _event(self) -> dict[str, Any]:
        match self.name:
            case "journal-insights":
                return {"Records": self._records()}
            case "vendor-feed":
                return {"Records": [{"s3": self._file()}]}
            case "member-erasure":
                return {"member_id": str(self.shop.member()), "by": "the member", "reason": "asked"}
        return {}

    def _records(self) -> list[dict[str, Any]]:
        """Return the whole ledger as Kinesis events at new positions, as if its stream had been created anew."""
        records = []
        for record in journaled(self.shop.under(logins.SEALING)):
            position = f"{self.stream}{record.position}"
            data = base64.b64encode(record.data).decode()
            records.append({"eventID": f"shardId-0:{position}", "kinesis": {"data": data, "sequenceNumber": position}})
        return records

    def _file(self) -> dict[str, Any]:
        key = f"{self.shop.vendor()}/good_rows/tea.csv"
        version = self.s3.put_object(Bucket=self.bucket, Key=key, Body=FEED)["VersionId"]
        s3_object = {"key": quote_plus(key), "size": len(FEED), "versionId": version}
        return {"bucket": {"name": self.bucket}, "object": s3_object}


@pytest.fixture(params=[name for name, function in FUNCTIONS.items() if function.login])
def business(
    request: pytest.FixtureRequest,
    shop: Shop,
    seal: Seal,
    handled: Handled,
    cloud: Callable[[str], Any],
    bucket: str,
    warehouse_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Business:
    monkeypatch.setattr(functions, "JOBS", replace(JOBS, pool_s=1))
    return Business(request.param, shop, seal, handled, cloud("s3"), bucket)


@pytest.mark.slow
def test_a_function_goes_on_by_itself_under_its_own_login(business: Business, read_only: ReadOnly) -> None:
    business.call()  # the first start: nothing is there yet
    for _ in range(2):  # work, and a restart
        business.goes_on()
        done = business.done()
        business.call()
        assert business.done() > done
    business.stream += 1
    business.goes_on()
    done = business.done()
    business.call()
    assert business.done() > done
    business.goes_on()
    done = business.done()
    event = business._event()
    with read_only():
        with pytest.raises(PoolTimeout):
            business.handled(business.name, event)
        assert business.done() == done
    business.handled(business.name, event)
    assert business.done() > done
    if business.name == "journal-insights":
        assert business.done() == 1_000 * business.orders  # each counted once, whatever came twice
