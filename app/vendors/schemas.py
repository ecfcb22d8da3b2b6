"""The vendors' requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.catalog.models import StockMeans
from app.mirrors import mirrors
from app.paging import Next
from app.text import Line, Name
from app.vendors.models import (
    Application,
    Check,
    Credentials,
    FeedReport,
    RowError,
    ShortRow,
    Vendor,
    VendorState,
)

_ID = "0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10"
_SECRET = "shown once: keep it"  # noqa: S105  an example
_COMPANY: dict[str, Any] = {
    "name": "Millrace Bakery",
    "legal_name": "Millrace Bakery Inc.",
    "country": "US",
    "tax_id": "12-3456789",
    "email": "orders@millrace.example",
    "website": "https://millrace.example",
    "currency": "USD",
}
_APART = r"\s\x00-\x1f\x7f-\x9f"  # JSON Schema and we differ on whether \s has U+0085

Reason = Annotated[Line, Field(max_length=500)]


class ApplicationIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_COMPANY]})

    name: Name
    legal_name: Name
    country: str = Field(pattern="^[A-Za-z]{2}$", description="ISO 3166-1 alpha-2")
    tax_id: Annotated[Line, Field(max_length=40)]
    email: str = Field(max_length=254, pattern=rf"^[^@{_APART}]+@[^@{_APART}]+\.[^@.{_APART}]+$")
    website: Name
    currency: str = Field(pattern="^[A-Za-z]{3}$", description="ISO 4217")

    def application(self) -> Application:
        said = self.model_dump()
        upper = {name: said[name].upper() for name in ("country", "currency", "tax_id")}
        upper["tax_id"] = "".join(upper["tax_id"].split())
        return Application(**{**said, **upper})


@mirrors(Check)
class ApplicationCheckOut(BaseModel):
    pass


class AppliedOut(BaseModel):
    """The secret is in this one answer only: not in a repeated one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "vendor_id": _ID,
                    "state": "applied",
                    "reasons": [],
                    "checks": [{"name": "country", "passed": True, "says": "US is a country of ISO 3166-1"}],
                    "client_id": _ID,
                    "client_secret": _SECRET,
                }
            ]
        }
    )

    vendor_id: UUID
    state: VendorState
    reasons: tuple[str, ...]
    checks: list[ApplicationCheckOut]
    client_id: UUID
    client_secret: str | None = Field(description="shown once; null where the application is rejected")

    @classmethod
    def of(cls, vendor: Vendor, credentials: Credentials) -> "AppliedOut":
        return cls(
            vendor_id=vendor.vendor_id,
            state=vendor.state,
            reasons=vendor.reasons,
            checks=[ApplicationCheckOut.model_validate(check) for check in vendor.checks],
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
        )


class CredentialsOut(BaseModel):
    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"examples": [{"client_id": _ID, "client_secret": _SECRET}]}
    )

    client_id: UUID
    client_secret: str | None = Field(description="shown once")


@mirrors(Vendor)
class VendorOut(BaseModel):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    **_COMPANY,
                    "vendor_id": _ID,
                    "tax_id": "123456789",
                    "state": "active",
                    "reasons": [],
                    "checks": [],
                    "applied_at": "2026-03-02T15:00:00Z",
                    "changed_at": "2026-03-03T09:30:00Z",
                }
            ]
        },
    )

    reasons: tuple[str, ...] = Field(description="why it is rejected or suspended")
    checks: list[ApplicationCheckOut]


class VendorsOut(BaseModel):
    vendors: list[VendorOut]
    next: Next


class VendorMoveIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"to": "suspended", "reasons": ["Goods did not arrive"]}]}
    )

    to: VendorState
    reasons: list[Reason] = Field(default_factory=list, max_length=20, description="needed for rejected and suspended")


class TokenIn(BaseModel):
    """RFC 6749, 4.4.2; without client_id and client_secret where HTTP Basic says them (2.3.1)."""

    grant_type: Literal["client_credentials"] = Field(examples=["client_credentials"])
    client_id: str | None = Field(None, max_length=100, examples=[_ID])
    client_secret: str | None = Field(None, max_length=200, examples=["the secret of the application"])


class TokenOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"access_token": "eyJ…", "token_type": "Bearer", "expires_in": 900}]}
    )

    access_token: str
    token_type: str
    expires_in: int = Field(description="seconds")


class TokenErrorOut(BaseModel):
    """RFC 6749, 5.2."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"error": "invalid_client", "error_description": "what to do about it"}]}
    )

    error: str
    error_description: str


@mirrors(RowError)
class FeedErrorOut(BaseModel):
    row: int = Field(description="line of the file where the row begins; the header is line 1")


@mirrors(FeedReport, without=("errors", "more_errors", "stock"))
class FeedSummaryOut(BaseModel):
    applied: bool = Field(description="false: it has bad rows, and all or nothing was asked for; nothing changed")


class FeedsOut(BaseModel):
    feeds: list[FeedSummaryOut]
    next: Next


@mirrors(ShortRow)
class FeedShortRowOut(BaseModel):
    ordered: int | None = Field(
        description="units of it that orders have taken; null where a newer number than the row's stands"
    )
    left: int = Field(description="to sell")


class FeedStockOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    means: StockMeans
    counted_at: datetime | None
    says: str = Field(description="what that meant for the rows")
    short: list[FeedShortRowOut] = Field(
        description="rows with another number left to sell than they state; all others that state stock have that"
    )
    more_short: int = Field(description="how many there are beyond those listed")
    first_sent_at: datetime | None = Field(
        None, description="when the same file was applied first: its numbers are those of then, so newer ones stand"
    )


_STOCK: dict[str, Any] = {
    "means": "counted",
    "counted_at": "2026-03-02T08:00:00Z",
    "says": "counted at 2026-03-02T08:00:00Z: what was ordered since is taken from it",
    "short": [
        {
            "row": 2,
            "sku": "COOK-100",
            "stated": 10,
            "ordered": 4,
            "left": 6,
            "says": "10 stated, 4 of them ordered since 2026-03-02T08:00:00Z: 6 left to sell",
        }
    ],
    "more_short": 0,
    "first_sent_at": None,
}


class FeedOut(FeedSummaryOut):
    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "feed_id": _ID,
                    "vendor_id": _ID,
                    "received_at": "2026-03-02T15:00:00Z",
                    "mode": "good_rows",
                    "applied": True,
                    "rows": 3,
                    "created": 1,
                    "updated": 1,
                    "unchanged": 0,
                    "refused": 1,
                    "errors": [
                        {
                            "row": 4,
                            "column": "price",
                            "code": "too-precise",
                            "message": "the price has 3 digits behind the point",
                            "fix": "use at most 2",
                        }
                    ],
                    "more_errors": 0,
                    "stock": _STOCK,
                }
            ]
        },
    )

    errors: list[FeedErrorOut]
    more_errors: int = Field(description="found beyond those listed")
    stock: FeedStockOut | None = Field(None, description="null where nothing was applied")
