"""What goes in and out of the routes of subscriptions."""

from datetime import date

from pydantic import BaseModel, Field

from app.mirrors import mirrors
from app.offers.models import Subscribed
from app.paging import Next


@mirrors(Subscribed, without=("member_id", "due_on"))
class SubscriptionOut(BaseModel):
    paid_until: date = Field(description="renewed at this day's midnight")


class SubscriptionsOut(BaseModel):
    subscriptions: list[SubscriptionOut]
    next: Next
