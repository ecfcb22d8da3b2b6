"""SQL of vendors and feeds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

import orjson
from pydantic import TypeAdapter

from app.catalog.models import StockMeans
from app.db import Parameters, Session, WriteSession
from app.members.models import ERASED
from app.vendors.models import Check, FeedReport, Vendor, VendorState

_VENDOR = """vendor_id, name, legal_name, country, tax_id, email, website, currency, state, reasons, checks, applied_at,
             changed_at"""
_REPORT = TypeAdapter(FeedReport)


def insert(session: WriteSession, vendor: Vendor, secret_hash: bytes | None) -> None:
    session.run(
        f"""INSERT INTO vendors ({_VENDOR}, secret_hash)
            VALUES (%(vendor_id)s, %(name)s, %(legal_name)s, %(country)s, %(tax_id)s, %(email)s, %(website)s,
                %(currency)s, %(state)s, %(reasons)s, %(checks)s, %(applied_at)s, %(changed_at)s, %(secret_hash)s)""",
        {
            **vars(vendor),
            "reasons": list(vendor.reasons),
            "checks": orjson.dumps(vendor.checks).decode(),
            "secret_hash": secret_hash,
        },
    )


def insert_active(session: WriteSession, names: Mapping[UUID, str], currency: str, at: datetime) -> list[UUID]:
    """Insert vendors in the state active, with no data but their names; return the ids that were not stored before."""
    ids = sorted(names)
    inserted = session.rows(
        """INSERT INTO vendors (vendor_id, name, legal_name, country, tax_id, email, currency, state, applied_at,
               changed_at)
           SELECT id, called, called, 'ZZ', id::text, '', %(currency)s, 'active', %(at)s, %(at)s
           FROM unnest(%(ids)s::uuid[], %(names)s::text[]) AS wanted (id, called)
           ON CONFLICT DO NOTHING RETURNING vendor_id""",
        {"ids": ids, "names": [names[vendor_id] for vendor_id in ids], "currency": currency, "at": at},
    )
    return [vendor_id for (vendor_id,) in inserted]


def vendor(session: Session, vendor_id: UUID) -> Vendor | None:
    return next(iter(_vendors(session, "vendor_id = %s", (vendor_id,))), None)


def lock_vendor(session: WriteSession, vendor_id: UUID) -> Vendor | None:
    """Lock a vendor until the transaction ends, and return it (None: unknown). Products can still be inserted."""
    return next(iter(_vendors(session, "vendor_id = %s FOR NO KEY UPDATE", (vendor_id,))), None)


def vendors(session: Session, state: VendorState | None, after: UUID | None, limit: int) -> list[Vendor]:
    """Return a page of vendors in a state (None: any), ordered by id; `after` is the last id of the page before."""
    return _vendors(
        session,
        f"""(%(state)s::text IS NULL OR state = %(state)s) {"AND vendor_id > %(after)s" if after else ""}
            ORDER BY vendor_id LIMIT %(limit)s""",
        {"state": state, "after": after, "limit": limit},
    )


def on_board(session: Session, applied: Sequence[Vendor]) -> set[UUID]:
    """Return the ids of those vendors in `applied` whose country and tax id another, accepted vendor already has."""
    rows = session.rows(
        """SELECT a.vendor_id FROM vendors a JOIN vendors b USING (country, tax_id)
           WHERE a.vendor_id = ANY(%s) AND b.vendor_id <> a.vendor_id
             AND b.state IN ('approved', 'active', 'suspended')""",
        ([vendor.vendor_id for vendor in applied],),
    )
    return {vendor_id for (vendor_id,) in rows}


def set_state(session: WriteSession, changed: Vendor, expected: Sequence[VendorState]) -> int:
    """Store a vendor's new state if the stored one is in `expected`; return the number of rows changed: 1 or 0."""
    return session.count(
        """UPDATE vendors SET state = %s, reasons = %s, changed_at = %s
           WHERE vendor_id = %s AND state = ANY(%s)""",
        (changed.state, list(changed.reasons), changed.changed_at, changed.vendor_id, list(expected)),
    )


def secret_hash(session: Session, vendor_id: UUID) -> bytes | None:
    """Return the hash of a vendor's client secret, None for an unknown or rejected vendor."""
    stored = session.value("SELECT secret_hash FROM vendors WHERE vendor_id = %s AND state <> 'rejected'", (vendor_id,))
    return bytes(stored) if stored is not None else None


def set_secret_hash(session: WriteSession, vendor_id: UUID, value: bytes) -> None:
    session.run("UPDATE vendors SET secret_hash = %s WHERE vendor_id = %s", (value, vendor_id))


def insert_feed(session: WriteSession, report: FeedReport, sha256: bytes) -> None:
    values = (report.feed_id, report.vendor_id, report.received_at, report.mode, orjson.dumps(report).decode(), sha256)
    session.run(
        "INSERT INTO feeds (feed_id, vendor_id, received_at, mode, report, sha256) VALUES (%s, %s, %s, %s, %s, %s)",
        values,
    )


def first_applied(session: Session, vendor_id: UUID, sha256: bytes, means: StockMeans) -> datetime | None:
    """Return when a file with this SHA-256 was first applied, or None if never.

    If `means` is `available`, the times when the file was sent as `counted` are ignored.
    """
    at: datetime | None = session.value(
        """SELECT min(received_at) FROM feeds
           WHERE vendor_id = %s AND sha256 = %s AND (report ->> 'applied')::boolean
             AND (%s = 'counted' OR report -> 'stock' ->> 'means' = 'available')""",
        (vendor_id, sha256, means),
    )
    return at


def feed(session: Session, vendor_id: UUID, feed_id: UUID) -> FeedReport | None:
    report = session.value("SELECT report::text FROM feeds WHERE feed_id = %s AND vendor_id = %s", (feed_id, vendor_id))
    return _REPORT.validate_json(report) if report is not None else None


def feeds(session: Session, vendor_id: UUID, after: UUID | None, limit: int) -> list[FeedReport]:
    """Return a page of a vendor's feed reports without errors, newest first; `after` is the previous page's last id."""
    rows = session.rows(
        f"""SELECT (jsonb_set(report, '{{errors}}', '[]'))::text FROM feeds
            WHERE vendor_id = %(vendor)s {"AND feed_id < %(after)s" if after else ""}
            ORDER BY feed_id DESC LIMIT %(limit)s""",
        {"vendor": vendor_id, "after": after, "limit": limit},
    )
    return [_REPORT.validate_json(report) for (report,) in rows]


def _vendors(session: Session, condition: LiteralString, parameters: Parameters) -> list[Vendor]:
    rows = session.dicts(f"SELECT {_VENDOR} FROM vendors WHERE {condition}", parameters)
    return [_vendor(row) for row in rows]


def _vendor(row: dict[str, Any]) -> Vendor:
    checks = tuple(Check(**check) for check in row["checks"])
    return Vendor(**{**row, "state": VendorState(row["state"]), "reasons": tuple(row["reasons"]), "checks": checks})


def mentioning(session: Session, texts: Sequence[str]) -> list[UUID]:
    """Return the ids of vendors whose `reasons`, for a rejection or suspension, contain one of the texts."""
    rows = session.rows(
        """SELECT vendor_id FROM vendors WHERE EXISTS (
               SELECT FROM unnest(%s::text[]) AS mention
               WHERE position(lower(mention) IN lower(array_to_string(reasons, ' '))) > 0)
           ORDER BY vendor_id""",
        (list(texts),),
    )
    return [vendor_id for (vendor_id,) in rows]


def erase_reasons(session: WriteSession, vendor_ids: Sequence[UUID]) -> None:
    """Replace the stored reasons for these vendors' rejection or suspension by ERASED."""
    session.run("UPDATE vendors SET reasons = ARRAY[%s] WHERE vendor_id = ANY(%s)", (ERASED, list(vendor_ids)))
