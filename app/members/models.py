"""Members of the loyalty program, and the segments by which offers are recommended to them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

ERASED = "(erased)"
"""Replaces every text about a member whose data were erased."""


class IncomeBand(StrEnum):
    """A household's yearly income, in thousands of the currency."""

    UNDER_15 = "Under 15K"
    FROM_15 = "15-24K"
    FROM_25 = "25-34K"
    FROM_35 = "35-49K"
    FROM_50 = "50-74K"
    FROM_75 = "75-99K"
    FROM_100 = "100-124K"
    FROM_125 = "125-149K"
    FROM_150 = "150-174K"
    FROM_175 = "175-199K"
    FROM_200 = "200-249K"
    FROM_250 = "250K+"


class MaritalStatus(StrEnum):
    MARRIED = "married"
    UNMARRIED = "unmarried"


@dataclass(frozen=True)
class Member:
    """A member. `consented_at` is when the member agreed to recommendations by segments, or None without consent."""

    member_id: UUID
    name: str
    income_band: str | None
    marital_status: str | None
    consented_at: datetime | None
    joined_at: datetime


@dataclass(frozen=True)
class Segments:
    """The data for recommending offers to a member: profile and most frequent purchases; empty without consent."""

    income_band: str | None
    marital_status: str | None
    buys_most: list[str]
    consented: bool
