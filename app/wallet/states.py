"""State machines of lots, redemptions and payments, as tables."""

from enum import StrEnum

from app.states import Machine, Refused
from app.wallet.models import LotState, RedemptionState
from app.wallet.payments_models import PaymentState


class LotEvent(StrEnum):
    MATURE = "mature"
    """The return window is over."""
    SPEND_PART = "spend_part"
    SPEND_REST = "spend_rest"
    GIVE_BACK = "give_back"
    """A redemption that drew from the lot was undone: its points come back."""
    EXPIRE = "expire"
    RETURN_PART = "return_part"
    RETURN_REST = "return_rest"
    """The last units come back. If the lot was spent in part, the rest is split off, and the lot counts as spent."""


_L, _LE = LotState, LotEvent
_PENDING = Refused("its return window is still open")
_MATURED = Refused("it matured already")
_NOTHING_LEFT = Refused("nothing of it is left")
_NOTHING_SPENT = Refused("nothing of it was spent")
_RETURNED = Refused("its units came back already")

LOT: Machine[LotState, LotEvent] = Machine(
    "lot",
    LotState,
    LotEvent,
    starts=(_L.PENDING,),
    table={
        _LE.MATURE: {
            _L.PENDING: _L.CONFIRMED,
            _L.CONFIRMED: _MATURED,
            _L.SPENT: _MATURED,
            _L.EXPIRED: _MATURED,
            _L.REMOVED: _RETURNED,
            _L.CLAWED_BACK: _RETURNED,
        },
        _LE.SPEND_PART: {
            _L.PENDING: _PENDING,
            _L.CONFIRMED: _L.CONFIRMED,
            _L.SPENT: _NOTHING_LEFT,
            _L.EXPIRED: _NOTHING_LEFT,
            _L.REMOVED: _NOTHING_LEFT,
            _L.CLAWED_BACK: _NOTHING_LEFT,
        },
        _LE.SPEND_REST: {
            _L.PENDING: _PENDING,
            _L.CONFIRMED: _L.SPENT,
            _L.SPENT: _NOTHING_LEFT,
            _L.EXPIRED: _NOTHING_LEFT,
            _L.REMOVED: _NOTHING_LEFT,
            _L.CLAWED_BACK: _NOTHING_LEFT,
        },
        _LE.GIVE_BACK: {
            _L.PENDING: _NOTHING_SPENT,
            _L.CONFIRMED: _L.CONFIRMED,
            _L.SPENT: _L.CONFIRMED,
            _L.EXPIRED: _L.CONFIRMED,  # it expires again if its last day is over
            _L.REMOVED: _NOTHING_SPENT,
            _L.CLAWED_BACK: _NOTHING_SPENT,
        },
        _LE.EXPIRE: {
            _L.PENDING: _PENDING,
            _L.CONFIRMED: _L.EXPIRED,
            _L.SPENT: _NOTHING_LEFT,
            _L.EXPIRED: _NOTHING_LEFT,
            _L.REMOVED: _NOTHING_LEFT,
            _L.CLAWED_BACK: _NOTHING_LEFT,
        },
        _LE.RETURN_PART: {
            _L.PENDING: _L.PENDING,
            _L.CONFIRMED: _L.CONFIRMED,
            _L.SPENT: _L.SPENT,
            _L.EXPIRED: _L.EXPIRED,
            _L.REMOVED: _RETURNED,
            _L.CLAWED_BACK: _RETURNED,
        },
        _LE.RETURN_REST: {
            _L.PENDING: _L.REMOVED,
            _L.CONFIRMED: _L.CLAWED_BACK,
            _L.SPENT: _L.SPENT,  # its points are taken from other lots, or short until they come back
            _L.EXPIRED: _L.EXPIRED,
            _L.REMOVED: _RETURNED,
            _L.CLAWED_BACK: _RETURNED,
        },
    },
)


class RedemptionEvent(StrEnum):
    FULFIL = "fulfil"
    CANCEL = "cancel"
    FAIL = "fail"
    """The payment of cash back failed."""
    REVERSE = "reverse"
    """The correction that took the points was reversed."""


_R, _RE = RedemptionState, RedemptionEvent
_FULFILLED = Refused("it was handed over already")
_GIVEN_BACK = Refused("its points were given back already")

REDEMPTION: Machine[RedemptionState, RedemptionEvent] = Machine(
    "redemption",
    RedemptionState,
    RedemptionEvent,
    starts=(_R.REQUESTED, _R.FULFILLED),
    table={
        _RE.FULFIL: {_R.REQUESTED: _R.FULFILLED, _R.FULFILLED: _FULFILLED, _R.CANCELLED: _GIVEN_BACK},
        _RE.CANCEL: {_R.REQUESTED: _R.CANCELLED, _R.FULFILLED: _FULFILLED, _R.CANCELLED: _GIVEN_BACK},
        _RE.FAIL: {_R.REQUESTED: _R.CANCELLED, _R.FULFILLED: _FULFILLED, _R.CANCELLED: _GIVEN_BACK},
        _RE.REVERSE: {
            _R.REQUESTED: Refused("no correction made it"),
            _R.FULFILLED: _R.CANCELLED,
            _R.CANCELLED: _GIVEN_BACK,
        },
    },
)


class PaymentEvent(StrEnum):
    INSTRUCT = "instruct"
    SEND = "send"
    SETTLE = "settle"
    FAIL = "fail"
    CANCEL = "cancel"


_P, _PE = PaymentState, PaymentEvent
LEADS_TO = {
    _P.INSTRUCTED: _PE.INSTRUCT,
    _P.SENT: _PE.SEND,
    _P.SETTLED: _PE.SETTLE,
    _P.FAILED: _PE.FAIL,
    _P.CANCELLED: _PE.CANCEL,
}
"""The event that leads to each state of a payment."""
_ONCE = Refused("a payment is instructed once")
_ON_ITS_WAY = Refused("it is on its way")
_SETTLED = Refused("the money has arrived")
_FAILED = Refused("it failed")
_CALLED_OFF = Refused("it was called off")
_NEVER_AGAIN = dict.fromkeys(PaymentState, _ONCE)

CHARGE: Machine[PaymentState, PaymentEvent] = Machine(
    "charge",
    PaymentState,
    PaymentEvent,
    starts=(_P.INSTRUCTED,),
    table={
        _PE.INSTRUCT: _NEVER_AGAIN,
        _PE.SEND: {
            _P.INSTRUCTED: _P.SENT,
            _P.SENT: _ON_ITS_WAY,
            _P.SETTLED: _SETTLED,
            _P.FAILED: _FAILED,
            _P.CANCELLED: _CALLED_OFF,
        },
        _PE.SETTLE: {
            _P.INSTRUCTED: _P.SETTLED,
            _P.SENT: _P.SETTLED,
            _P.SETTLED: _SETTLED,
            _P.FAILED: _P.SETTLED,  # money that arrives after all is booked
            _P.CANCELLED: _P.SETTLED,
        },
        _PE.FAIL: {
            _P.INSTRUCTED: _P.FAILED,
            _P.SENT: _P.FAILED,
            _P.SETTLED: _SETTLED,
            _P.FAILED: _FAILED,
            _P.CANCELLED: _CALLED_OFF,
        },
        _PE.CANCEL: {
            _P.INSTRUCTED: _P.CANCELLED,
            _P.SENT: _ON_ITS_WAY,
            _P.SETTLED: _SETTLED,
            _P.FAILED: _FAILED,
            _P.CANCELLED: _CALLED_OFF,
        },
    },
)
"""States of money that comes in, for a period of a subscription."""

PAYMENT: Machine[PaymentState, PaymentEvent] = Machine(
    "payment",
    PaymentState,
    PaymentEvent,
    starts=(_P.INSTRUCTED,),
    table={
        _PE.INSTRUCT: _NEVER_AGAIN,
        _PE.SEND: CHARGE.table[_PE.SEND],
        _PE.SETTLE: {
            _P.INSTRUCTED: _P.SETTLED,
            _P.SENT: _P.SETTLED,
            _P.SETTLED: _SETTLED,
            _P.FAILED: _FAILED,
            _P.CANCELLED: _CALLED_OFF,
        },
        _PE.FAIL: CHARGE.table[_PE.FAIL],
        _PE.CANCEL: CHARGE.table[_PE.CANCEL],
    },
)
"""States of money that goes out: cash back to a member, or the refund of a charge."""
