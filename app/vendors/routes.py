"""Routes of vendors' applications, states, credentials and feeds; access tokens are in app.vendors.oauth."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from app.auth import Admin, Allow, Caller, Vendor
from app.catalog.models import StockMeans
from app.errors import BadFeed, Conflict, NotFound
from app.idempotency import Key, OnlyOnce, once_for, request_line
from app.paging import ById
from app.problems import problems
from app.routing import Router
from app.signing import Role
from app.tabular import CSV, answer
from app.times import Instant
from app.vendors import intake, oauth, service, uploads
from app.vendors.feed import COLUMNS, ENCODING, LIMITS, MOST_BYTES
from app.vendors.models import Counting, FeedMode, RowError, VendorState
from app.vendors.schemas import (
    ApplicationIn,
    AppliedOut,
    CredentialsOut,
    FeedOut,
    FeedsOut,
    FeedSummaryOut,
    VendorMoveIn,
    VendorOut,
    VendorsOut,
)
from app.vendors.stock import COUNTED_AT, MEANS
from app.wiring import Db

router = Router(tags=["vendors"])
router.routes.extend(oauth.router.routes)

_FEED = {
    "requestBody": {
        "required": True,
        "description": f"{COLUMNS}. Prices like 12.99. Limits: {LIMITS}. Encoding: {ENCODING}: "
        "`Content-Type: text/csv; charset=windows-1252`",
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": "sku,name,brand,department,category,price,stock\n"
                "COOK-100,Chocolate chip cookies,Millrace,GROCERY,COOKIES,3.49,120\n",
            }
        },
    }
}
AdminOrVendor = Annotated[Caller, Depends(Allow(Role.ADMIN, Role.VENDOR))]


def _acting_as(caller: Caller, vendor_id: UUID) -> set[Role]:
    """Return the roles in which the caller may act for the vendor. Raises NotFound if there are none."""
    roles = {Role.ADMIN} if caller.may(Role.ADMIN) else set()
    if caller.may(Role.VENDOR) and caller.subject == vendor_id:
        roles.add(Role.VENDOR)
    if not roles:
        raise NotFound(f"there is no vendor {vendor_id}")
    return roles


def _without_secret(answer: BaseModel) -> BaseModel:
    return answer.model_copy(update={"client_secret": None})


@router.post("/vendors", status_code=201, summary="Apply to sell here", response_model=AppliedOut)
def apply_as_vendor(draft: ApplicationIn, once: OnlyOnce) -> Response:
    """Applies to become a vendor; no token is needed. Automatic checks run at once, then an administrator decides."""
    return once.anonymous(
        lambda session: AppliedOut.of(*service.apply(session, draft.application(), once.clock)), keep=_without_secret
    )


@router.get("/vendors", summary="Vendors")
def list_vendors(_: Admin, db: Db, paging: ById, state: VendorState | None = None) -> VendorsOut:
    """Returns all vendors, or those in one state, ordered by id."""
    with db.read() as session:
        page = paging.page(partial(service.vendors, session, state), "vendor_id")
        shown = service.with_duplicates(session, page.rows)
    return VendorsOut(vendors=[VendorOut.model_validate(vendor) for vendor in shown], next=page.next)


@router.get("/vendors/{vendor_id}", summary="A vendor")
def get_vendor(vendor_id: UUID, caller: AdminOrVendor, db: Db) -> VendorOut:
    """Returns a vendor's data and state, to administrators and to the vendor itself."""
    roles = _acting_as(caller, vendor_id)
    with db.read() as session:
        vendor = service.vendor(session, vendor_id)
        shown = service.with_duplicates(session, [vendor]) if Role.ADMIN in roles else [vendor]
    return VendorOut.model_validate(shown[0])


@router.post(
    "/vendors/{vendor_id}/transitions",
    status_code=201,
    summary="Approve, reject, activate, suspend, reinstate",
    response_model=VendorOut,
    responses=problems(Conflict),
)
def move_vendor(vendor_id: UUID, change: VendorMoveIn, caller: AdminOrVendor, once: OnlyOnce) -> Response:
    """Changes a vendor's state: an approved vendor activates itself, administrators make all other changes."""
    roles = _acting_as(caller, vendor_id)
    return once(
        caller.key, lambda session: service.move(session, vendor_id, change.to, change.reasons, roles, once.clock)
    )


@router.post(
    "/vendors/{vendor_id}/credentials",
    status_code=201,
    summary="A new client secret",
    response_model=CredentialsOut,
    responses=problems(Conflict),
)
def renew_credentials(vendor_id: UUID, caller: AdminOrVendor, once: OnlyOnce) -> Response:
    """Replaces the vendor's client secret at once; allowed to administrators, and to the vendor itself while active.

    Only the first answer contains the new secret; the answer to a repeated request has null.
    """
    roles = _acting_as(caller, vendor_id)
    return once(
        caller.key, lambda session: service.new_credentials(session, vendor_id, roles, once.clock), keep=_without_secret
    )


@router.post(
    "/vendors/{vendor_id}/feeds",
    status_code=201,
    summary="Send a feed of products",
    response_model=FeedOut,
    max_body_size=MOST_BYTES,
    openapi_extra=_FEED,
    responses=problems(Conflict, BadFeed),
)
async def send_feed(
    vendor_id: UUID,
    caller: Vendor,
    request: Request,
    key: Key,
    db: Db,
    mode: FeedMode = FeedMode.ALL_OR_NOTHING,
    stock: Annotated[StockMeans, Query(description=MEANS)] = StockMeans.COUNTED,
    counted_at: Annotated[Instant | None, Query(description=COUNTED_AT)] = None,
) -> Response:
    """Adds or changes the products in a CSV feed, identified by SKU. The answer lists bad rows and counts changes.

    It also explains how stock numbers were understood. Sending a file twice does not put sold units back into stock.
    """
    _acting_as(caller, vendor_id)
    check_sender = partial(intake.digits_of, db, vendor_id)
    async with uploads.received(request, vendor_id, request_line(request), check_sender) as upload:
        once = once_for(request, key, upload.request_hash.digest())
        async with uploads.places(request).reading(request):
            return await run_in_threadpool(
                intake.take_once, once, caller.key, vendor_id, upload, mode, Counting(stock, counted_at)
            )


@router.get("/vendors/{vendor_id}/feeds", summary="A vendor's feeds")
def list_feeds(vendor_id: UUID, caller: AdminOrVendor, paging: ById, db: Db) -> FeedsOut:
    """Returns a vendor's feeds, newest first, without their errors, which are in each feed's own report."""
    _acting_as(caller, vendor_id)
    with db.read() as session:
        page = paging.page(partial(service.feeds, session, vendor_id), "feed_id")
    return FeedsOut(feeds=[FeedSummaryOut.model_validate(report) for report in page.rows], next=page.next)


@router.get("/vendors/{vendor_id}/feeds/{feed_id}", summary="What became of a feed")
def get_feed(vendor_id: UUID, feed_id: UUID, caller: AdminOrVendor, db: Db) -> FeedOut:
    """Returns the report on a feed, which is the same as in the answer to the feed's upload."""
    _acting_as(caller, vendor_id)
    with db.read() as session:
        return FeedOut.model_validate(service.feed_report(session, vendor_id, feed_id))


@router.get(
    "/vendors/{vendor_id}/feeds/{feed_id}/errors.csv",
    summary="A feed's errors as a table",
    response_class=Response,
    responses=CSV,
)
def get_feed_errors(vendor_id: UUID, feed_id: UUID, caller: AdminOrVendor, db: Db) -> Response:
    """Returns a feed's errors as CSV, one line per error: row, column, code, message, fix."""
    _acting_as(caller, vendor_id)
    with db.read() as session:
        report = service.feed_report(session, vendor_id, feed_id)
    return answer(RowError, report.errors)
