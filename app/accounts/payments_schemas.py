"""What goes in and out of the routes of payments."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.mirrors import mirrors
from app.paging import Next
from app.wallet.payments_models import Direction, Payment, PaymentState


@mirrors(Payment, without=("member_id",))
class PaymentOut(BaseModel):
    direction: Direction = Field(
        description="in: a subscription's charge; out: cash back to a member, or a charge paid back"
    )
    refund_of: UUID | None = Field(description="the charge that it pays back")


class PaymentsOut(BaseModel):
    payments: list[PaymentOut]
    next: Next


class PaymentMoveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "settled"}]})
    to: PaymentState
