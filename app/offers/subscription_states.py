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
_ENDED = Refused("it is over")
_RUNS = Refused("you are subscribed to that already")
_NO_RENEWAL = Refused("it renews no more")
_TWICE = Refused("it was cancelled already")
_NOT_CANCELLED = Refused("it was not cancelled")
_OVER_ALREADY = Refused("it is over already")
_ANEW = Refused("it is over; subscribe anew")
_Move = SubscriptionState | Refused


def _row(*cells: _Move) -> dict[SubscriptionState, _Move]:
    """Return the table's row for an event: its next states from waiting, active, grace, cancelled, lapsed and ended."""
    return dict(zip(SubscriptionState, cells, strict=True))


def _machine() -> Machine[SubscriptionState, SubscriptionEvent]:
    waiting, active, grace, cancelled, lapsed, ended = SubscriptionState
    return Machine(
        "subscription",
        SubscriptionState,
        SubscriptionEvent,
        starts=(waiting, grace, active),
        table={
            # A payment of a lapsed subscription buys future days without renewal.
            SubscriptionEvent.PAY: _row(active, active, active, PAID_BACK, cancelled, PAID_BACK),
            SubscriptionEvent.AWAIT_PAYMENT: _row(waiting, grace, grace, _NO_RENEWAL, _ENDED, _ENDED),
            SubscriptionEvent.GIVE_UP: _row(lapsed, lapsed, lapsed, _NO_RENEWAL, _ENDED, _ENDED),
            SubscriptionEvent.CANCEL: _row(ended, cancelled, ended, _TWICE, _OVER_ALREADY, _OVER_ALREADY),
            SubscriptionEvent.RESUME: _row(_RUNS, _RUNS, _RUNS, active, _ANEW, _ANEW),
            SubscriptionEvent.USE_UP: _row(_NOT_CANCELLED, _NOT_CANCELLED, _NOT_CANCELLED, ended, _ENDED, _ENDED),
            SubscriptionEvent.END_WITH_OFFER: _row(ended, ended, ended, _NO_RENEWAL, _ENDED, _ENDED),
            SubscriptionEvent.ERASE: _row(ended, ended, ended, ended, ended, _OVER_ALREADY),
        },
    )


SUBSCRIPTION = _machine()
