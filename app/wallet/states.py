"""State machines of points lots, redemptions and payments: which event leads from which state to which."""

from collections.abc import Sequence
from enum import StrEnum

from app.states import Machine, Refused
from app.wallet.models import LotState, RedemptionState
from app.wallet.payments_models import PaymentState


class LotEvent(StrEnum):
    MATURE = "mature"
    """The return window ended."""
    SPEND_PART = "spend_part"
    SPEND_REST = "spend_rest"
    GIVE_BACK = "give_back"
    """A redemption that drew from the lot was undone, and the drawn points are back in the lot."""
    EXPIRE = "expire"
    RETURN_PART = "return_part"
    RETURN_REST = "return_rest"
    """The last units were returned. If points were spent, the rest is split off, and the lot counts as spent."""


_L, _LE = LotState, LotEvent
_PENDING = Refused("its return window is still open")
_MATURED = Refused("it matured already")
_NOTHING_LEFT = Refused("nothing of it is left")
_NOTHING_SPENT = Refused("nothing of it was spent")
_RETURNED = Refused("its units came back already")

LOT: Machine[LotState, LotEvent] = Machine.of(
    "lot",
    LotState,
    LotEvent,
    starts=(_L.PENDING,),
    rows={  # pending, confirmed, spent, expired, removed, clawed back
        _LE.MATURE: (_L.CONFIRMED, _MATURED, _MATURED, _MATURED, _RETURNED, _RETURNED),
        _LE.SPEND_PART: (_PENDING, _L.CONFIRMED, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT),
        _LE.SPEND_REST: (_PENDING, _L.SPENT, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT),
        # An expired lot expires again if its last day is over.
        _LE.GIVE_BACK: (_NOTHING_SPENT, _L.CONFIRMED, _L.CONFIRMED, _L.CONFIRMED, _NOTHING_SPENT, _NOTHING_SPENT),
        _LE.EXPIRE: (_PENDING, _L.EXPIRED, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT, _NOTHING_LEFT),
        _LE.RETURN_PART: (_L.PENDING, _L.CONFIRMED, _L.SPENT, _L.EXPIRED, _RETURNED, _RETURNED),
        # The points of a spent lot are taken from other lots, or are missing until the redemption is cancelled.
        _LE.RETURN_REST: (_L.REMOVED, _L.CLAWED_BACK, _L.SPENT, _L.EXPIRED, _RETURNED, _RETURNED),
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

REDEMPTION: Machine[RedemptionState, RedemptionEvent] = Machine.of(
    "redemption",
    RedemptionState,
    RedemptionEvent,
    starts=(_R.REQUESTED, _R.FULFILLED),
    rows={  # requested, fulfilled, cancelled
        _RE.FULFIL: (_R.FULFILLED, _FULFILLED, _GIVEN_BACK),
        _RE.CANCEL: (_R.CANCELLED, _FULFILLED, _GIVEN_BACK),
        _RE.FAIL: (_R.CANCELLED, _FULFILLED, _GIVEN_BACK),
        _RE.REVERSE: (Refused("no correction made it"), _R.CANCELLED, _GIVEN_BACK),
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
"""The event that leads a payment to each state."""
_ONCE = Refused("a payment is instructed once")
_ON_ITS_WAY = Refused("it is on its way")
_SETTLED = Refused("the money has arrived")
_FAILED = Refused("it failed")
_CALLED_OFF = Refused("it was called off")
_CHARGE: dict[PaymentEvent, Sequence[PaymentState | Refused]] = {  # instructed, sent, settled, failed, cancelled
    _PE.INSTRUCT: (_ONCE,) * 5,
    _PE.SEND: (_P.SENT, _ON_ITS_WAY, _SETTLED, _FAILED, _CALLED_OFF),
    _PE.SETTLE: (_P.SETTLED, _P.SETTLED, _SETTLED, _P.SETTLED, _P.SETTLED),  # money that arrives after all is booked
    _PE.FAIL: (_P.FAILED, _P.FAILED, _SETTLED, _FAILED, _CALLED_OFF),
    _PE.CANCEL: (_P.CANCELLED, _ON_ITS_WAY, _SETTLED, _FAILED, _CALLED_OFF),
}
_PAYOUT = _CHARGE | {_PE.SETTLE: (_P.SETTLED, _P.SETTLED, _SETTLED, _FAILED, _CALLED_OFF)}
_STARTS = (_P.INSTRUCTED,)

CHARGE: Machine[PaymentState, PaymentEvent] = Machine.of("charge", PaymentState, PaymentEvent, _STARTS, _CHARGE)
"""States of an incoming payment, which pays for a subscription period."""

PAYMENT: Machine[PaymentState, PaymentEvent] = Machine.of("payment", PaymentState, PaymentEvent, _STARTS, _PAYOUT)
"""States of an outgoing payment: cash back to a member, or the refund of a charge."""
