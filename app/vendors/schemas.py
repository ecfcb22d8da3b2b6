"""Request and response bodies of vendors' routes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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
    StockReport,
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
        """Return the request as an application: codes in upper case, the tax id without spaces."""
        fields = self.model_dump()
        upper = {name: fields[name].upper() for name in ("country", "currency", "tax_id")}
        upper["tax_id"] = "".join(upper["tax_id"].split())
        return Application(**{**fields, **upper})


@mirrors(Check)
class ApplicationCheckOut(BaseModel):
    pass


_APPLIED: dict[str, Any] = {
    "vendor_id": _ID,
    "state": "applied",
    "reasons": [],
    "checks": [{"name": "country", "passed": True, "says": "US is a country of ISO 3166-1"}],
    "client_id": _ID,
    "client_secret": _SECRET,
}


class AppliedOut(BaseModel):
    """The answer to an application to become a vendor; the secret is null in the answer to a repeated request."""

    model_config = ConfigDict(json_schema_extra={"examples": [_APPLIED]})

    vendor_id: UUID
    state: VendorState
    reasons: tuple[str, ...]
    checks: list[ApplicationCheckOut]
    client_id: UUID
    client_secret: str | None = Field(description="shown once; null if the application is rejected")

    @classmethod
    def of(cls, vendor: Vendor, credentials: Credentials) -> "AppliedOut":
        return cls.model_validate({**vars(vendor), **vars(credentials)})


@mirrors(Credentials)
class CredentialsOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"client_id": _ID, "client_secret": _SECRET}]})

    client_secret: str | None = Field(description="shown once")


_SHOWN: dict[str, Any] = {
    **_COMPANY,
    "vendor_id": _ID,
    "tax_id": "123456789",
    "state": "active",
    "reasons": [],
    "checks": [],
    "applied_at": "2026-03-02T15:00:00Z",
    "changed_at": "2026-03-03T09:30:00Z",
}


@mirrors(Vendor)
class VendorOut(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [_SHOWN]})

    reasons: tuple[str, ...] = Field(description="why the vendor is rejected or suspended")
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
    """The form of a token request (RFC 6749, 4.4.2), without client_id and client_secret if HTTP Basic has them."""

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
    """A refused token request (RFC 6749, 5.2)."""

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
    applied: bool = Field(description="false if nothing changed: a row is bad, and the mode is all_or_nothing")


class FeedsOut(BaseModel):
    feeds: list[FeedSummaryOut]
    next: Next


@mirrors(ShortRow)
class FeedShortRowOut(BaseModel):
    ordered: int | None = Field(
        description="units ordered since the count; null if a newer stock number than the row's applies"
    )
    left: int = Field(description="units left to sell")


@mirrors(StockReport)
class FeedStockOut(BaseModel):
    says: str = Field(description="the meaning of stock numbers, in words")
    short: list[FeedShortRowOut] = Field(
        description="rows that state more or fewer units than the product now has left to sell"
    )
    more_short: int = Field(description="number of such rows that are not listed")
    first_sent_at: datetime | None = Field(
        None, description="when the same file was first applied, if newer stock numbers than its own were kept"
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


_ERROR = {
    "row": 4,
    "column": "price",
    "code": "too-precise",
    "message": "the price has 3 digits behind the point",
    "fix": "use at most 2",
}
_REPORT: dict[str, Any] = {
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
    "errors": [_ERROR],
    "more_errors": 0,
    "stock": _STOCK,
}


class FeedOut(FeedSummaryOut):
    model_config = ConfigDict(json_schema_extra={"examples": [_REPORT]})

    errors: list[FeedErrorOut]
    more_errors: int = Field(description="number of errors that are not listed")
    stock: FeedStockOut | None = Field(None, description="null if nothing was applied")
