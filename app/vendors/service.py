"""On-boarding, the states of a vendor, its credentials and its feeds."""

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

COUNTED = Counting()
"""What stock means where nobody says so."""


def apply(session: WriteSession, application: Application, clock: Clock) -> tuple[Vendor, Credentials]:
    """Take an application. One that fails an automatic check is kept as rejected, with the reasons and no secret.

    A tax id that a vendor on board has is taken like any other: an administrator sees it, and can't approve both.
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
    """Vendors of a trusted source, active at once and without credentials; how many were not here yet."""
    new = repository.insert_active(session, names, catalog.currency(session), clock.now())
    if new:
        items = [{"vendor_id": vendor_id, "name": names[vendor_id]} for vendor_id in new]
        ledger.append_items(session, "vendors", "onboarded", items, state=VendorState.ACTIVE, at=clock.now())
    return len(new)


def vendor(session: Session, vendor_id: UUID) -> Vendor:
    return _found(repository.vendor(session, vendor_id), vendor_id)


def vendors(session: Session, state: VendorState | None, after: UUID | None, limit: int) -> list[Vendor]:
    """In the order in which they applied, those behind `after`."""
    return repository.vendors(session, state, after, limit)


def with_duplicates(session: Session, shown: Sequence[Vendor]) -> list[Vendor]:
    """As administrators see them: with the check whether another vendor is on board under the same tax id."""
    taken = repository.on_board(session, shown)
    return [
        replace(vendor, checks=(*vendor.checks, checks.alone(vendor, on_board=vendor.vendor_id in taken)))
        for vendor in shown
    ]


def move(
    session: WriteSession,
    vendor_id: UUID,
    to: VendorState,
    reasons: Sequence[str],
    acting_as: Collection[Role],
    clock: Clock,
) -> Vendor:
    """Raises NotFound, NotAllowed (another's to do), BadInput (no reasons) and Conflict (not possible from its state).

    The database refuses, with Conflict, who would be on board under the tax id of another vendor that is.
    """
    vendor = _found(repository.lock_vendor(session, vendor_id), vendor_id)
    possible = MOVES[vendor.state]
    if to not in possible:
        ways = " or ".join(possible) or "nothing else"
        raise Conflict(f"the vendor is {vendor.state}: from there it can become {ways}, not {to}")
    if possible[to] not in acting_as:
        raise NotAllowed(f"from {vendor.state} to {to} is for the {possible[to]} to do")
    if to in NEED_REASONS and not reasons:
        raise BadInput(f"say why it is to be {to}", [FieldError("reasons", "missing", "give at least one reason")])
    changed = replace(vendor, state=to, reasons=tuple(reasons), changed_at=clock.now())
    was = VENDOR.was(event_of(vendor.state, to), to)
    VENDOR.must_move(repository.set_state(session, changed, was))
    ledger.append(session, "vendors", vendor_id, changed)
    return changed


def new_credentials(session: WriteSession, vendor_id: UUID, acting_as: Collection[Role], clock: Clock) -> Credentials:
    """The secret before ends now; tokens that it got run out by themselves.

    Raises NotFound, and Conflict for a vendor that is rejected, or asks itself and is not active.
    """
    vendor = _found(repository.lock_vendor(session, vendor_id), vendor_id)
    if vendor.state is VendorState.REJECTED:
        raise Conflict("the vendor is rejected: it gets no credentials")
    if Role.ADMIN not in acting_as:
        _must_be_active(vendor)
    secret = _new_secret()
    repository.set_secret_hash(session, vendor_id, _hash(secret))
    ledger.append(session, "vendors", vendor_id, {**asdict(vendor), "secret_changed_at": clock.now()})
    return Credentials(vendor_id, secret)


def authenticate(session: Session, client_id: str, client_secret: str) -> UUID:
    """The vendor that these credentials are. Raises NotAuthenticated, without saying which half is wrong."""
    refused = NotAuthenticated("client_id and client_secret are not those of a vendor that may come in")
    try:
        vendor_id = UUID(client_id)
    except ValueError:
        raise refused from None
    stored = repository.secret_hash(session, vendor_id)
    if not compare_digest(_hash(client_secret), stored or bytes(32)) or stored is None:
        raise refused
    return vendor_id


def feed_digits(session: Session, vendor_id: UUID) -> int:
    """How many digits behind the point the prices of a vendor's feed have. Raises NotFound; Conflict if not active."""
    _must_be_active(_found(repository.vendor(session, vendor_id), vendor_id))
    return digits(catalog.currency(session))


def _must_be_active(vendor: Vendor) -> None:
    if vendor.state is not VendorState.ACTIVE:
        raise Conflict(f"the vendor is {vendor.state}; only an active vendor may change anything")


def apply_feed(
    session: WriteSession,
    vendor_id: UUID,
    read: Feed,
    sha256_hex: str,
    mode: FeedMode,
    clock: Clock,
    counting: Counting = COUNTED,
) -> FeedReport:
    """Take in a feed that was read: whole, in its good rows, or not at all; the report says which and is kept.

    The stock of a file that was applied before, without a time of counting, is what was counted then: what was stated
    since stands.

    Raises NotFound, BadInput for a time of counting that can't be, and Conflict where the vendor is not active or the
    program's currency changed since the feed was read; nothing is kept then.
    """
    stock.check(counting, clock.now())
    _must_be_active(_found(repository.lock_vendor(session, vendor_id), vendor_id))
    if read.digits != digits(catalog.currency(session)):
        raise Conflict("the program's currency has changed meanwhile; send the feed again")
    _spell_as_before(session, vendor_id, read)
    event = FeedEvent.APPLY if not read.refused or mode is FeedMode.GOOD_ROWS else FeedEvent.REFUSE
    digest = bytes.fromhex(sha256_hex)
    first = None if counting.at else repository.first_applied(session, vendor_id, digest, counting.means)
    applied = FEED.move(FeedState.RECEIVED, event) is FeedState.APPLIED
    count = UpsertCount(0, 0, 0)
    if applied and read.skus:
        batches = read.batches()
        stated = (counting.means, counting.at)
        count = product_changes.upsert_batches(
            session, vendor_id, read.lines, read.categories, batches, clock, *stated, repeated=first is not None
        )
    report = FeedReport(
        feed_id=new_id(),
        vendor_id=vendor_id,
        received_at=clock.now(),
        mode=mode,
        applied=applied,
        rows=len(read.skus) + read.refused,
        refused=read.refused,
        errors=tuple(read.errors),
        more_errors=read.more_errors,
        created=count.created,
        updated=count.updated,
        unchanged=count.unchanged,
        stock=stock.report(counting, count.short, read.lines, first) if applied else None,
    )
    repository.insert_feed(session, report, digest)
    summary = {name: value for name, value in vars(report).items() if name not in {"errors", "stock"}}
    means = {"stock": counting.means, "counted_at": counting.at}
    ledger.append(session, "feeds", report.feed_id, {**summary, **means, "sha256": sha256_hex})
    return report


def _spell_as_before(session: Session, vendor_id: UUID, read: Feed) -> None:
    """Rows of products that the vendor has in another spelling are theirs; one that lost its zeros is refused."""
    spellings = catalog.spellings(session, vendor_id, read.skus)
    for sku, known in spellings.zeros.items():
        read.withdraw(sku, lost_zeros(sku, known))
    read.respell(spellings.same)


def feed_report(session: Session, vendor_id: UUID, feed_id: UUID) -> FeedReport:
    """Raises NotFound for another vendor's feed too."""
    report = repository.feed(session, vendor_id, feed_id)
    if report is None:
        raise NotFound(f"there is no feed {feed_id}")
    return report


def feeds(session: Session, vendor_id: UUID, after: UUID | None, limit: int) -> list[FeedReport]:
    """A vendor's feeds, newest first, without their errors. Raises NotFound."""
    _found(repository.vendor(session, vendor_id), vendor_id)
    return repository.feeds(session, vendor_id, after, limit)


def _found(vendor: Vendor | None, vendor_id: UUID) -> Vendor:
    if vendor is None:
        raise NotFound(f"there is no vendor {vendor_id}")
    return vendor


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    """Enough for 32 random bytes: what makes password hashes slow guards short secrets."""
    return sha256(secret.encode()).digest()
