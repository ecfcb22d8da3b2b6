"""Request and response bodies of the routes of offers."""

from typing import TYPE_CHECKING, Annotated, Any, Union
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from app.campaigns.schemas import NOT_SHOWN, LivingOut, PatchIn, SubjectIn, Why
from app.campaigns.simulation_schemas import SimulationIn
from app.catalog.models import MOST_STOCK
from app.earning.lifecycle import Stage
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
else:  # a union of all kinds of offers, discriminated by `kind`
    Terms = Annotated[Union[tuple(AnyTerms.KINDS.values())], Field(discriminator="kind")]  # noqa: UP007  built from a table


ExpectedTimes = Annotated[
    int | None,
    Field(
        ge=1,
        le=100,
        strict=True,
        description="how many times the usual orders its first hours are expected to bring, for promotions only: pods "
        "are started before it begins",
    ),
]


class OfferIn(SubjectIn):
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
    starts_at: Instant | Day = Field(description="a day means its first moment in the program's time zone")
    ends_at: Instant | Day = Field(description="the first moment at which the offer no longer runs")
    terms: Terms
    on_hand: int | None = Field(None, ge=0, le=MOST_STOCK, strict=True, description="units in stock, for items only")
    expected_times: ExpectedTimes = None
    draft: bool = Field(default=False, strict=True, description="whether to store it without starting it")

    def subject(self, zone: ZoneInfo) -> Offer:
        begin, end = (begin_of(at, zone) for at in (self.starts_at, self.ends_at))
        stage = Stage.DRAFT if self.draft else Stage.STARTED
        texts = (self.name, self.description)
        return Offer(new_id(), *texts, begin, end, self.terms, self.on_hand, self.expected_times, stage=stage)


class OfferSimulationIn(SimulationIn):
    """An offer to simulate: a new one, as in the body of `POST /offers`, or the id of a stored one."""

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


class OfferPatch(PatchIn):
    """Changes to a draft offer. Absent fields keep their values; `terms`, if present, replace all terms."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Spring week", "reason": "A better name"}]})
    name: Name = Field(default_factory=str)
    description: Annotated[Prose, Field(max_length=2_000), NotFormula] = ""
    starts_at: Instant | Day = FIRST
    ends_at: Instant | Day = FIRST
    terms: Terms | None = None
    expected_times: ExpectedTimes = None

    def changes(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the fields that were sent, except `reason`. Raises BadInput if `terms` is sent as null."""
        if "terms" in self.model_fields_set and self.terms is None:
            raise BadInput("terms can't be null", [FieldError("terms", "null", "send terms, or leave them out")])
        return super().changes(zone)


class RestockIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"units": 20, "reason": "A second delivery"}]}
    )
    units: int = Field(gt=0, le=MOST_STOCK, strict=True, description="units to add to the stock")
    reason: Why


@mirrors(Offer, without=NOT_SHOWN, first=("offer_id",))
class OfferOut(LivingOut):
    terms: Terms
    expected_times: ExpectedTimes


class OffersOut(BaseModel):
    offers: list[OfferOut]
    next: Next
