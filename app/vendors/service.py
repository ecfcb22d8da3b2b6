"""Vendors: applications, states, credentials and feeds."""

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from hmac import compare_digest
from uuid import UUID

from app import ledger
from app.catalog import product_changes
from app.catalog import service as catalog
from app.catalog.models import UpsertCount
from app.catalog.skus import lost_zeros
from app.clock import Clock
from app.db import Session, WriteSession
from app.errors import BadInput, Conflict, FieldError, NotAllowed, NotAuthenticated, NotFound
from app.ids import new_id
from app.money import digits
from app.signing import Role
from app.vendors import checks, repository, stock
from app.vendors.feed import Feed
from app.vendors.models import (
    FEED,
    MOVES,
    NEED_REASONS,
    VENDOR,
    Application,
    Counting,
    Credentials,
    FeedEvent,
    FeedMode,
    FeedReport,
    FeedState,
    Vendor,
    VendorState,
    event_of,
)

find = repository.vendor
mentioning = repository.mentioning
erase_reasons = repository.erase_reasons

COUNTED = Counting()
"""The default meaning of a feed's stock numbers."""


def apply(session: WriteSession, application: Application, clock: Clock) -> tuple[Vendor, Credentials]:
    """Store a company's application and return it as a vendor, with credentials.

    If an automatic check fails, the vendor is stored as rejected, with reasons and without a secret. A tax id that an
    accepted vendor has does not reject the application, but administrators see the duplicate and cannot approve it.
    """
    now = clock.now()
    tax_id = application.tax_id.replace("-", "")
    results = checks.run(application, catalog.currency(session))
    reasons = tuple(check.says for check in results if not check.passed)
    vendor = Vendor(
        **{**vars(application), "tax_id": tax_id},
        vendor_id=new_id(),
        state=VendorState.REJECTED if reasons else VendorState.APPLIED,
        reasons=reasons,
        checks=results,
        applied_at=now,
        changed_at=now,
    )
    secret = None if reasons else _new_secret()
    repository.insert(session, vendor, _hash(secret) if secret else None)
    ledger.append(session, "vendors", vendor.vendor_id, vendor)
    return vendor, Credentials(vendor.vendor_id, secret)


def onboard_all(session: WriteSession, names: Mapping[UUID, str], clock: Clock) -> int:
    """Store vendors from a trusted source as active, without credentials; return how many were new."""
    new = repository.insert_active(session, names, catalog.currency(session), clock.now())
    if new:
        items = [{"vendor_id": vendor_id, "name": names[vendor_id]} for vendor_id in new]
        ledger.append_items(session, "vendors", "onboarded", items, state=VendorState.ACTIVE, at=clock.now())
    return len(new)


def vendor(session: Session, vendor_id: UUID) -> Vendor:
    return _existing(repository.vendor(session, vendor_id), vendor_id)


def vendors(session: Session, state: VendorState | None, after: UUID | None, limit: int) -> list[Vendor]:
    """Return a page of vendors in a state (None: any), ordered by id; `after` is the last id of the page before."""
    return repository.vendors(session, state, after, limit)


def with_duplicates(session: Session, vendors: Sequence[Vendor]) -> list[Vendor]:
    """Return the vendors with one more check, for administrators: that no other accepted vendor has the same tax id."""
    duplicates = repository.on_board(session, vendors)
    return [
        replace(vendor, checks=(*vendor.checks, checks.alone(vendor, on_board=vendor.vendor_id in duplicates)))
        for vendor in vendors
    ]


def move(
    session: WriteSession,
    vendor_id: UUID,
    to: VendorState,
    reasons: Sequence[str],
    acting_as: Collection[Role],
    clock: Clock,
) -> Vendor:
    """Change a vendor's state. Raises NotFound, NotAllowed for a wrong role, BadInput if reasons are missing.

    Raises Conflict if the state does not allow the change, or if another accepted vendor has the same tax id.
    """
    vendor = _existing(repository.lock_vendor(session, vendor_id), vendor_id)
    possible = MOVES[vendor.state]
    if to not in possible:
        ways = " or ".join(possible) or "nothing else"
        raise Conflict(f"the vendor is {vendor.state}: from there it can become {ways}, not {to}")
    if possible[to] not in acting_as:
        raise NotAllowed(f"from {vendor.state} to {to} is for the {possible[to]} to do")
    if to in NEED_REASONS and not reasons:
        raise BadInput(f"say why it is to be {to}", [FieldError("reasons", "missing", "give at least one reason")])
    changed = replace(vendor, state=to, reasons=tuple(reasons), changed_at=clock.now())
    allowed_states = VENDOR.was(event_of(vendor.state, to), to)
    VENDOR.must_move(repository.set_state(session, changed, allowed_states))
    ledger.append(session, "vendors", vendor_id, changed)
    return changed


def new_credentials(session: WriteSession, vendor_id: UUID, acting_as: Collection[Role], clock: Clock) -> Credentials:
    """Replace a vendor's client secret and return the new one; tokens already issued stay valid until they expire.

    Raises NotFound, and Conflict for a rejected vendor or, unless an administrator acts, one that is not active.
    """
    vendor = _existing(repository.lock_vendor(session, vendor_id), vendor_id)
    if vendor.state is VendorState.REJECTED:
        raise Conflict("the vendor is rejected: it gets no credentials")
    if Role.ADMIN not in acting_as:
        _must_be_active(vendor)
    secret = _new_secret()
    repository.set_secret_hash(session, vendor_id, _hash(secret))
    ledger.append(session, "vendors", vendor_id, {**asdict(vendor), "secret_changed_at": clock.now()})
    return Credentials(vendor_id, secret)


def authenticate(session: Session, client_id: str, client_secret: str) -> UUID:
    """Return the id of the vendor with these credentials. Raises NotAuthenticated if either is wrong."""
    refusal = NotAuthenticated("client_id and client_secret are not those of a vendor that may come in")
    try:
        vendor_id = UUID(client_id)
    except ValueError:
        raise refusal from None
    stored = repository.secret_hash(session, vendor_id)
    if not compare_digest(_hash(client_secret), stored or bytes(32)) or stored is None:
        raise refusal
    return vendor_id


def feed_digits(session: Session, vendor_id: UUID) -> int:
    """Return the number of decimals of a vendor's prices. Raises NotFound, or Conflict if the vendor is not active."""
    _must_be_active(_existing(repository.vendor(session, vendor_id), vendor_id))
    return digits(catalog.currency(session))


def _must_be_active(vendor: Vendor) -> None:
    if vendor.state is not VendorState.ACTIVE:
        raise Conflict(f"the vendor is {vendor.state}; only an active vendor may change anything")


def apply_feed(
    session: WriteSession,
    vendor_id: UUID,
    feed: Feed,
    sha256_hex: str,
    mode: FeedMode,
    clock: Clock,
    counting: Counting = COUNTED,
) -> FeedReport:
    """Apply a feed's rows as `mode` says, store a report of the result, and return it.

    If the same file was applied before and `counting` has no time, stock numbers are set only for products without one.
    Raises NotFound, BadInput for an impossible time of counting, and Conflict if the vendor is not active or the
    program's currency changed since the feed was parsed; nothing is stored then.
    """
    stock.check(counting, clock.now())
    _must_be_active(_existing(repository.lock_vendor(session, vendor_id), vendor_id))
    if feed.digits != digits(catalog.currency(session)):
        raise Conflict("the program's currency has changed meanwhile; send the feed again")
    _spell_as_before(session, vendor_id, feed)
    event = FeedEvent.APPLY if not feed.refused or mode is FeedMode.GOOD_ROWS else FeedEvent.REFUSE
    digest = bytes.fromhex(sha256_hex)
    first_applied_at = None if counting.at else repository.first_applied(session, vendor_id, digest, counting.means)
    applied = FEED.move(FeedState.RECEIVED, event) is FeedState.APPLIED
    count = UpsertCount(0, 0, 0)
    if applied and feed.skus:
        rows = (feed.lines, feed.categories, feed.batches())
        stated = (counting.means, counting.at)
        repeated = first_applied_at is not None
        count = product_changes.upsert_batches(session, vendor_id, *rows, clock, *stated, repeated=repeated)
    report = FeedReport(
        feed_id=new_id(),
        vendor_id=vendor_id,
        received_at=clock.now(),
        mode=mode,
        applied=applied,
        rows=len(feed.skus) + feed.refused,
        refused=feed.refused,
        errors=tuple(feed.errors),
        more_errors=feed.more_errors,
        created=count.created,
        updated=count.updated,
        unchanged=count.unchanged,
        stock=stock.report(counting, count.short, feed.lines, first_applied_at) if applied else None,
    )
    repository.insert_feed(session, report, digest)
    summary = {name: value for name, value in vars(report).items() if name not in {"errors", "stock"}}
    means = {"stock": counting.means, "counted_at": counting.at}
    ledger.append(session, "feeds", report.feed_id, {**summary, **means, "sha256": sha256_hex})
    return report


def _spell_as_before(session: Session, vendor_id: UUID, feed: Feed) -> None:
    """Spell the feed's SKUs as the catalogue does, and refuse rows whose SKU has lost leading zeros."""
    spellings = catalog.spellings(session, vendor_id, feed.skus)
    for sku, stored_sku in spellings.zeros.items():
        feed.withdraw(sku, lost_zeros(sku, stored_sku))
    feed.spelled = spellings.same


def feed_report(session: Session, vendor_id: UUID, feed_id: UUID) -> FeedReport:
    """Return the report of a vendor's feed. Raises NotFound if there is none, or the feed is another vendor's."""
    report = repository.feed(session, vendor_id, feed_id)
    if report is None:
        raise NotFound(f"there is no feed {feed_id}")
    return report


def feeds(session: Session, vendor_id: UUID, after: UUID | None, limit: int) -> list[FeedReport]:
    """Return a page of a vendor's feed reports without errors, newest first, after the id `after`. Raises NotFound."""
    _existing(repository.vendor(session, vendor_id), vendor_id)
    return repository.feeds(session, vendor_id, after, limit)


def _existing(vendor: Vendor | None, vendor_id: UUID) -> Vendor:
    if vendor is None:
        raise NotFound(f"there is no vendor {vendor_id}")
    return vendor


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    """Hash a client secret. SHA-256 suffices for 32 random bytes; slow hashes are for guessable passwords."""
    return sha256(secret.encode()).digest()
