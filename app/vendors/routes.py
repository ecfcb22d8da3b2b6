"""On-boarding of vendors, and their feeds; their tokens are in oauth.py."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from app.auth import Admin, Allow, Caller, Vendor
from app.catalog.models import StockMeans
from app.errors import (
    BadFeed,
    Conflict,
    NotFound,
)
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
    """An admin, the vendor itself, or both. Raises NotFound for another vendor."""
    roles = {Role.ADMIN} if caller.may(Role.ADMIN) else set()
    if caller.may(Role.VENDOR) and caller.subject == vendor_id:
        roles.add(Role.VENDOR)
    if not roles:
        raise NotFound(f"there is no vendor {vendor_id}")
    return roles


def _without_secret(answer: BaseModel) -> BaseModel:
    return answer.model_copy(update={"client_secret": None})


@router.post("/vendors", status_code=201, summary="Apply to sell here", response_model=AppliedOut)
def apply_as_vendor(asked: ApplicationIn, once: OnlyOnce) -> Response:
    """Open to all. Automatic checks answer at once; then a person looks at it."""
    return once.anonymous(
        lambda session: AppliedOut.of(*service.apply(session, asked.application(), once.clock)),
        keep=_without_secret,
    )


@router.get("/vendors", summary="Vendors")
def list_vendors(
    _: Admin,
    db: Db,
    asked: ById,
    state: VendorState | None = None,
) -> VendorsOut:
    """In the order of their ids."""
    with db.read() as session:
        page = asked.page(partial(service.vendors, session, state), "vendor_id")
        shown = service.with_duplicates(session, page.rows)
    return VendorsOut(vendors=[VendorOut.model_validate(vendor) for vendor in shown], next=page.next)


@router.get("/vendors/{vendor_id}", summary="A vendor")
def get_vendor(vendor_id: UUID, caller: AdminOrVendor, db: Db) -> VendorOut:
    """For an admin, and for the vendor itself."""
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
def move_vendor(vendor_id: UUID, asked: VendorMoveIn, caller: AdminOrVendor, once: OnlyOnce) -> Response:
    """The vendor itself goes from approved to active; everything else is an admin's."""
    roles = _acting_as(caller, vendor_id)
    return once(
        caller.key, lambda session: service.move(session, vendor_id, asked.to, asked.reasons, roles, once.clock)
    )


@router.post(
    "/vendors/{vendor_id}/credentials",
    status_code=201,
    summary="A new client secret",
    response_model=CredentialsOut,
    responses=problems(Conflict),
)
def renew_credentials(vendor_id: UUID, caller: AdminOrVendor, once: OnlyOnce) -> Response:
    """For an admin, and for the vendor itself while it is active. The old secret ends at once.

    The new one is in this answer only: not in a repeated one.
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
    """Products are made or changed by their SKU. The answer reports every bad row, and whether anything was applied.

    It also says what the stock was taken to mean: sending the same file twice never sells anything twice.
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
def list_feeds(vendor_id: UUID, caller: AdminOrVendor, asked: ById, db: Db) -> FeedsOut:
    """Newest first, without their errors, which the report of each has."""
    _acting_as(caller, vendor_id)
    with db.read() as session:
        page = asked.page(partial(service.feeds, session, vendor_id), "feed_id")
    return FeedsOut(feeds=[FeedSummaryOut.model_validate(report) for report in page.rows], next=page.next)


@router.get("/vendors/{vendor_id}/feeds/{feed_id}", summary="What became of a feed")
def get_feed(vendor_id: UUID, feed_id: UUID, caller: AdminOrVendor, db: Db) -> FeedOut:
    """The report that its sender got."""
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
    """One line an error: row, column, code, message, fix."""
    _acting_as(caller, vendor_id)
    with db.read() as session:
        report = service.feed_report(session, vendor_id, feed_id)
    return answer(RowError, report.errors)
