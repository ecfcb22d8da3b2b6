"""Response bodies of the subscription routes."""

from datetime import date

from pydantic import BaseModel, Field

from app.mirrors import mirrors
from app.offers.models import Subscribed
from app.paging import Next


@mirrors(Subscribed, without=("member_id", "due_on"))
class SubscriptionOut(BaseModel):
    paid_until: date = Field(description="first day that is not paid; active subscriptions renew as it begins")


class SubscriptionsOut(BaseModel):
    subscriptions: list[SubscriptionOut]
    next: Next
