"""What goes out of the routes of statements."""

from uuid import UUID

from pydantic import BaseModel, Field

from app.accounts.statements_models import Month, Statement, Year
from app.mirrors import mirrors
from app.wallet.movements import Entry


@mirrors(Statement)
class VendorStatementOut(BaseModel):
    """Points, and what they are worth in minor units. closing = carried_over + earned − taken_back."""

    carried_over: int = Field(description="what was charged before, less what came back: negative is a credit")
    earned: int = Field(description="charged for what purchases of the vendor's products earned")
    taken_back: int = Field(description="given back for returned units")
    closing_minor: int = Field(description="the closing points' worth, rounded half to even")
    minor_per_100_points: int = Field(description="what 100 points were worth as the month ended")


@mirrors(Entry)
class StatementEntryOut(BaseModel):
    reference: UUID | None = Field(description="the order, redemption or correction; the night has none")


@mirrors(Month)
class StatementMonthOut(BaseModel):
    """opening + earned + corrected − returned − spent − expired = closing = pending + available − owed."""

    corrected: int = Field(description="booked by hand, less what was taken by hand")
    confirmed: int = Field(description="moved from pending to available")
    spent: int = Field(description="less what was taken back")
    entries: list[StatementEntryOut]


@mirrors(Year)
class YearStatementOut(BaseModel):
    months: list[StatementMonthOut] = Field(description="those in which anything happened")
