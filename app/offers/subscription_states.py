"""The state machine of subscriptions, as a table."""

from enum import StrEnum

from app.states import Machine, Refused


class SubscriptionState(StrEnum):
    WAITING = "waiting"
    """The first payment is awaited and there are no benefits yet, because the member used this offer's grace before."""
    ACTIVE = "active"
    GRACE = "grace"
    """A payment is awaited; the benefits continue for the days of grace."""
    CANCELLED = "cancelled"
    """It runs until the paid period ends, and does not renew."""
    LAPSED = "lapsed"
    """It was not paid in time."""
    ENDED = "ended"
    """It is over: cancelled and used up, its offer ended, or its member was erased."""


class SubscriptionEvent(StrEnum):
    PAY = "pay"
    AWAIT_PAYMENT = "await_payment"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    RESUME = "resume"
    USE_UP = "use_up"
    END_WITH_OFFER = "end_with_offer"
    ERASE = "erase"


_S, _E = SubscriptionState, SubscriptionEvent
OVER = (_S.LAPSED, _S.ENDED)
PAID_BACK = Refused("it takes no money any more, which is paid back")
_ENDED = Refused("it is over")
_RUNS = Refused("you are subscribed to that already")
_CANCELLED = Refused("it renews no more")
_NOT_CANCELLED = Refused("it was not cancelled")
_OVER_ALREADY = Refused("it is over already")

SUBSCRIPTION: Machine[SubscriptionState, SubscriptionEvent] = Machine(
    "subscription",
    SubscriptionState,
    SubscriptionEvent,
    starts=(_S.WAITING, _S.GRACE, _S.ACTIVE),
    table={
        _E.PAY: {
            _S.WAITING: _S.ACTIVE,
            _S.ACTIVE: _S.ACTIVE,
            _S.GRACE: _S.ACTIVE,
            _S.CANCELLED: PAID_BACK,
            _S.LAPSED: _S.CANCELLED,  # late money buys future days without renewal
            _S.ENDED: PAID_BACK,
        },
        _E.AWAIT_PAYMENT: {
            _S.WAITING: _S.WAITING,
            _S.ACTIVE: _S.GRACE,
            _S.GRACE: _S.GRACE,
            _S.CANCELLED: _CANCELLED,
            _S.LAPSED: _ENDED,
            _S.ENDED: _ENDED,
        },
        _E.GIVE_UP: {
            _S.WAITING: _S.LAPSED,
            _S.ACTIVE: _S.LAPSED,
            _S.GRACE: _S.LAPSED,
            _S.CANCELLED: _CANCELLED,
            _S.LAPSED: _ENDED,
            _S.ENDED: _ENDED,
        },
        _E.CANCEL: {
            _S.WAITING: _S.ENDED,
            _S.ACTIVE: _S.CANCELLED,
            _S.GRACE: _S.ENDED,
            _S.CANCELLED: Refused("it was cancelled already"),
            _S.LAPSED: _OVER_ALREADY,
            _S.ENDED: _OVER_ALREADY,
        },
        _E.RESUME: {
            _S.WAITING: _RUNS,
            _S.ACTIVE: _RUNS,
            _S.GRACE: _RUNS,
            _S.CANCELLED: _S.ACTIVE,
            _S.LAPSED: Refused("it is over; subscribe anew"),
            _S.ENDED: Refused("it is over; subscribe anew"),
        },
        _E.USE_UP: {
            _S.WAITING: _NOT_CANCELLED,
            _S.ACTIVE: _NOT_CANCELLED,
            _S.GRACE: _NOT_CANCELLED,
            _S.CANCELLED: _S.ENDED,
            _S.LAPSED: _ENDED,
            _S.ENDED: _ENDED,
        },
        _E.END_WITH_OFFER: {
            _S.WAITING: _S.ENDED,
            _S.ACTIVE: _S.ENDED,
            _S.GRACE: _S.ENDED,
            _S.CANCELLED: _CANCELLED,
            _S.LAPSED: _ENDED,
            _S.ENDED: _ENDED,
        },
        _E.ERASE: {
            _S.WAITING: _S.ENDED,
            _S.ACTIVE: _S.ENDED,
            _S.GRACE: _S.ENDED,
            _S.CANCELLED: _S.ENDED,
            _S.LAPSED: _S.ENDED,
            _S.ENDED: _OVER_ALREADY,
        },
    },
)
