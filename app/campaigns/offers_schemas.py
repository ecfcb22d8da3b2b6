"""What goes in and out of the routes of offers."""

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Union
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.campaigns.schemas import NOT_SHOWN, LivingOut, Why
from app.campaigns.simulation_schemas import SimulationIn, one_of_both
from app.catalog.models import MOST_STOCK
from app.errors import BadInput, FieldError
from app.ids import new_id
from app.mirrors import mirrors
from app.offers.models import Offer
from app.offers.models import Terms as AnyTerms
from app.paging import Next
from app.text import Name, NotFormula, Prose
from app.times import FIRST, Day, Instant, begin_of

if TYPE_CHECKING:
    Terms = AnyTerms
else:  # every kind that there is, info apart by `kind`
    Terms = Annotated[Union[tuple(AnyTerms.KINDS.values())], Field(discriminator="kind")]  # noqa: UP007  made of a table


class OfferIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Coffee mug",
                    "starts_at": "2026-01-01T00:00:00Z",
                    "ends_at": "2027-01-01T00:00:00Z",
                    "terms": {"kind": "item", "points": 40},
                    "on_hand": 100,
                }
            ]
        },
    )
    name: Name
    description: Annotated[Prose, Field(max_length=2_000), NotFormula] = ""
    starts_at: Instant | Day = Field(description="a day is its first moment in the program's time zone")
    ends_at: Instant | Day = Field(description="the offer runs until just before")
    terms: Terms
    on_hand: int | None = Field(None, ge=0, le=MOST_STOCK, strict=True, description="items only: how many there are")
    draft: bool = Field(default=False, strict=True, description="keep it, and start it later")

    def offer(self, zone: ZoneInfo) -> Offer:
        begin, end = (begin_of(at, zone) for at in (self.starts_at, self.ends_at))
        return Offer(new_id(), self.name, self.description, begin, end, self.terms, self.on_hand)


class OfferSimulationIn(SimulationIn):
    """Either an offer as `POST /offers` takes it, or the id of one that is kept."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "weeks": 4,
                    "offer": {
                        "name": "Spring week",
                        "starts_at": "2026-03-01",
                        "ends_at": "2026-03-08",
                        "terms": {"kind": "promotion", "percent": 200},
                    },
                }
            ]
        },
    )
    offer_id: UUID | None = None
    offer: OfferIn | None = Field(None, validate_default=True)

    @field_validator("offer")
    @classmethod
    def _is_one_of_both(cls, offer: OfferIn | None, info: ValidationInfo) -> OfferIn | None:
        return one_of_both(offer, info, "offer_id")


class OfferPatch(BaseModel):
    """Only what is sent changes; terms change as a whole."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Spring week", "reason": "A better name"}]}
    )
    reason: Why
    name: Name = Field(default_factory=str)
    description: Annotated[Prose, Field(max_length=2_000), NotFormula] = ""
    starts_at: Instant | Day = FIRST
    ends_at: Instant | Day = FIRST
    terms: Terms | None = None

    def changes(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the fields that were sent, without `reason`; a date is its first moment in `zone`.

        Raises BadInput if `terms` is null.
        """
        sent = {name: getattr(self, name) for name in self.model_fields_set - {"reason"}}
        if sent.get("terms", self) is None:
            raise BadInput("terms can't be null", [FieldError("terms", "null", "send terms, or leave them out")])
        return {name: begin_of(value, zone) if isinstance(value, date) else value for name, value in sent.items()}


class RestockIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"units": 20, "reason": "A second delivery"}]}
    )
    units: int = Field(gt=0, le=MOST_STOCK, strict=True, description="how many come on top")
    reason: Why


@mirrors(Offer, without=NOT_SHOWN, first=("offer_id",))
class OfferOut(LivingOut):
    terms: Terms


class OffersOut(BaseModel):
    offers: list[OfferOut]
    next: Next
