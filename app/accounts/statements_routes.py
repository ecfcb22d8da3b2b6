"""Routes for the monthly statement of a vendor and the yearly statement of a member."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path

from app.accounts import statements
from app.accounts.statements_schemas import VendorStatementOut, YearStatementOut
from app.auth import Allow, Caller, Member
from app.errors import NotFound
from app.routing import Router
from app.signing import Role
from app.wiring import Db, Time

router = Router(tags=["rewards"])


@router.get("/wallet/statements/{year}", summary="Your points in a year")
def get_own_statement(
    year: Annotated[int, Path(ge=1970, le=9000)], caller: Member, db: Db, clock: Time
) -> YearStatementOut:
    """The member's points earned, confirmed, returned, spent and expired in each month, with each single entry."""
    with db.snapshot() as session:
        return YearStatementOut.model_validate(statements.of_member(session, caller.subject, year, clock))


@router.get("/statements/{vendor_id}/{period}", summary="What a vendor's rewards cost it")
def get_vendor_statement(
    vendor_id: UUID,
    period: str,
    caller: Annotated[Caller, Depends(Allow(Role.ADMIN, Role.VENDOR))],
    db: Db,
    clock: Time,
) -> VendorStatementOut:
    """A vendor's statement for a month such as 2026-11 in the program's time zone, with the balance brought forward."""
    if not caller.may(Role.ADMIN) and caller.subject != vendor_id:
        raise NotFound(f"there is no vendor {vendor_id}")
    with db.snapshot() as session:
        return VendorStatementOut.model_validate(statements.of_vendor(session, vendor_id, period, clock))
