"""Response bodies of the routes for statements."""

from uuid import UUID

from pydantic import BaseModel, Field

from app.accounts.statements_models import Month, Statement, Year
from app.mirrors import mirrors
from app.wallet.movements import Entry


@mirrors(Statement)
class VendorStatementOut(BaseModel):
    """A vendor's month in points: closing = carried_over + earned − taken_back; `closing_minor` is closing in money."""

    carried_over: int = Field(description="points owed from earlier months; negative is a credit")
    earned: int = Field(description="points charged for purchases of the vendor's products")
    taken_back: int = Field(description="points credited for returned units")
    closing_minor: int = Field(description="the closing points' worth, rounded half to even")
    minor_per_100_points: int = Field(description="the worth of 100 points when the month ended")


@mirrors(Entry)
class StatementEntryOut(BaseModel):
    reference: UUID | None = Field(description="the order, redemption or correction; null for nightly entries")


@mirrors(Month)
class StatementMonthOut(BaseModel):
    """A month: opening + earned + corrected − returned − spent − expired = closing = pending + available − owed."""

    corrected: int = Field(description="points booked by hand, less points taken by hand")
    confirmed: int = Field(description="points moved from pending to available")
    spent: int = Field(description="points spent, less points of cancelled redemptions")
    entries: list[StatementEntryOut]


@mirrors(Year)
class YearStatementOut(BaseModel):
    months: list[StatementMonthOut] = Field(description="the months in which points moved")
