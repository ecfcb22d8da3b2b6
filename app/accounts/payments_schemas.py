"""Request and response bodies of the routes for payments."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.mirrors import mirrors
from app.paging import Next
from app.wallet.payments_models import Direction, Payment, PaymentState


@mirrors(Payment, without=("member_id",))
class PaymentOut(BaseModel):
    direction: Direction = Field(
        description="in: a charge for a subscription; out: cash back to a member, or a charge's refund"
    )
    refund_of: UUID | None = Field(description="the charge that this payment refunds")


class PaymentsOut(BaseModel):
    payments: list[PaymentOut]
    next: Next


class PaymentMoveIn(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"to": "settled"}]})
    to: PaymentState
