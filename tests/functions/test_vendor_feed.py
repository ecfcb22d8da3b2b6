"""Tests of vendors' feed files in S3: each is applied once, with a report by row; invalid files are refused."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

import pytest

from app.db import Database
from app.ids import new_id
from app.vendors import service
from tests.conftest import Handled
from tests.shop import Shop

FEED = b"""SKU,Name,Brand,Department,Category,Price
tea-1,Green tea,Leaf,GROCERY,TEA,8.00
tea-2,Black tea,Leaf,GROCERY,TEA,seven
"""


@pytest.fixture
def lands(bucket: str, handled: Handled, cloud: Callable[[str], Any]) -> Callable[..., dict[str, Any]]:
    """Return a function that stores a file in the bucket, calls the handler with S3's event, and returns its report."""

    def landed(key: str, content: bytes = FEED, times: int = 1, kind: str = "text/csv") -> dict[str, Any]:
        version = cloud("s3").put_object(Bucket=bucket, Key=key, Body=content, ContentType=kind)["VersionId"]
        s3_object = {"key": quote_plus(key), "size": len(content), "versionId": version}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put"}
        event = {"Records": [{**record, "s3": {"bucket": {"name": bucket}, "object": s3_object}}]}
        feed: dict[str, Any]
        [feed] = [handled("vendor-feed", event)["feeds"][0] for _ in range(times)][-1:]
        return feed

    return landed


def test_good_rows_are_applied_and_the_report_names_the_bad_one(
    lands: Callable[..., dict[str, Any]], shop: Shop, db: Database
) -> None:
    vendor_id = shop.vendor()
    feed = lands(f"{vendor_id}/good_rows/spring tea.csv")
    assert (feed["applied"], feed["created"], feed["refused"]) == (True, 1, 1)
    with db.read() as session:
        report = service.feed_report(session, vendor_id, UUID(feed["feed_id"]))
    assert [(error.row, error.column) for error in report.errors] == [(3, "price")]


def test_all_or_nothing_applies_nothing_of_a_feed_with_a_bad_row(
    lands: Callable[..., dict[str, Any]], shop: Shop
) -> None:
    feed = lands(f"{shop.vendor()}/all_or_nothing/feed.csv")
    assert (feed["applied"], feed["created"], feed["refused"]) == (False, 0, 1)


def test_a_file_that_s3_tells_of_twice_is_one_feed(
    lands: Callable[..., dict[str, Any]], shop: Shop, db: Database
) -> None:
    vendor_id = shop.vendor()
    feed = lands(f"{vendor_id}/good_rows/feed.csv", times=2)
    assert feed["created"] == 1
    with db.read() as session:
        assert session.value("SELECT count(*) FROM feeds WHERE vendor_id = %s", (vendor_id,)) == 1


def test_a_files_content_type_names_its_encoding(lands: Callable[..., dict[str, Any]], shop: Shop) -> None:
    vendor_id, french = shop.vendor(), FEED.replace(b"Green", b"Gr\xfcn")
    assert lands(f"{vendor_id}/good_rows/a.csv", french)["code"] == "bad-feed"
    assert lands(f"{vendor_id}/good_rows/b.csv", french, kind="text/csv; charset=windows-1252")["created"] == 1


@pytest.mark.parametrize(
    ("key", "content", "code"),
    [
        ("somewhere/feed.csv", FEED, "bad-feed"),
        ("{nobody}/some_rows/feed.csv", FEED, "bad-feed"),
        ("{nobody}/good_rows/feed.csv", FEED, "not-found"),
        ("{vendor}/good_rows/feed.csv", b"Price\n1\n", "bad-feed"),
        ("{vendor}/good_rows/feed.csv", b"\xff\xfe\x00", "bad-feed"),
    ],
)
def test_what_is_no_feed_is_refused_for_good_and_leaves_nothing(
    lands: Callable[..., dict[str, Any]], shop: Shop, db: Database, key: str, content: bytes, code: str
) -> None:
    assert lands(key.format(vendor=shop.vendor(), nobody=new_id()), content)["code"] == code
    with db.read() as session:
        assert session.value("SELECT count(*) FROM feeds") == 0
