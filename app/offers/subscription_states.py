"""The state machine of subscriptions: a table of the next state for each event and current state."""

from enum import StrEnum

from app.states import Machine, Refused


class SubscriptionState(StrEnum):
    WAITING = "waiting"
    """The first payment is awaited, without benefits, because the member had this offer's days of grace before."""
    ACTIVE = "active"
    GRACE = "grace"
    """A payment is awaited; benefits continue for the days of grace."""
    CANCELLED = "cancelled"
    """It runs until the paid period ends, and does not renew."""
    LAPSED = "lapsed"
    """It was not paid in time."""
    ENDED = "ended"
    """It is over: its paid period ended after it was cancelled, its offer ended, or its member was erased."""


class SubscriptionEvent(StrEnum):
    PAY = "pay"
    AWAIT_PAYMENT = "await_payment"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    RESUME = "resume"
    USE_UP = "use_up"
    END_WITH_OFFER = "end_with_offer"
    ERASE = "erase"


OVER = (SubscriptionState.LAPSED, SubscriptionState.ENDED)
PAID_BACK = Refused("it takes no money any more, which is paid back")
_IS_OVER = Refused("it is over")
_RUNS = Refused("you are subscribed to that already")
_NO_RENEWAL = Refused("it renews no more")
_TWICE = Refused("it was cancelled already")
_NOT_CANCELLED = Refused("it was not cancelled")
_OVER_ALREADY = Refused("it is over already")
_ANEW = Refused("it is over; subscribe anew")
_WAITING, _ACTIVE, _GRACE, _CANCELLED, _LAPSED, _ENDED = SubscriptionState

SUBSCRIPTION: Machine[SubscriptionState, SubscriptionEvent] = Machine.of(
    "subscription",
    SubscriptionState,
    SubscriptionEvent,
    starts=(_WAITING, _GRACE, _ACTIVE),
    rows={
        # A payment of a lapsed subscription buys future days without renewal.
        SubscriptionEvent.PAY: (_ACTIVE, _ACTIVE, _ACTIVE, PAID_BACK, _CANCELLED, PAID_BACK),
        SubscriptionEvent.AWAIT_PAYMENT: (_WAITING, _GRACE, _GRACE, _NO_RENEWAL, _IS_OVER, _IS_OVER),
        SubscriptionEvent.GIVE_UP: (_LAPSED, _LAPSED, _LAPSED, _NO_RENEWAL, _IS_OVER, _IS_OVER),
        SubscriptionEvent.CANCEL: (_ENDED, _CANCELLED, _ENDED, _TWICE, _OVER_ALREADY, _OVER_ALREADY),
        SubscriptionEvent.RESUME: (_RUNS, _RUNS, _RUNS, _ACTIVE, _ANEW, _ANEW),
        SubscriptionEvent.USE_UP: (_NOT_CANCELLED, _NOT_CANCELLED, _NOT_CANCELLED, _ENDED, _IS_OVER, _IS_OVER),
        SubscriptionEvent.END_WITH_OFFER: (_ENDED, _ENDED, _ENDED, _NO_RENEWAL, _IS_OVER, _IS_OVER),
        SubscriptionEvent.ERASE: (_ENDED, _ENDED, _ENDED, _ENDED, _ENDED, _OVER_ALREADY),
    },
)
