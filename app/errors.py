"""Every refusal of the platform, in one tree; `app.problems` turns it into application/problem+json.

RewardsError
├── BadInput                 422  the request says something that can't be
│   ├── BadCursor            422
│   └── BadFeed              422  a feed whose header or encoding can't be read
├── NotAuthenticated         401
├── NotAllowed               403
├── NotFound                 404  also for what belongs to somebody else
├── NotEnough                402  points that aren't there
├── Conflict                 409  the thing is not in the state that this needs
│   ├── OutOfStock
│   ├── NeedsApproval             it gives more than the program allows without a second administrator
│   ├── PriceChanged              an order costs or earns something else than was expected (app/orders/quotes.py)
│   ├── ReturnRefused             a term of the purchase refuses a return (app/orders/service.py)
│   ├── TermsChanged              an order can be returned on other terms than were quoted (the same)
│   ├── QuoteOver                 the minutes of its quote are over
│   ├── WrongState                the table of its state machine refuses the event
│   ├── UnderWay                  another process is doing just that; it is done soon
│   ├── InFlight                  the same idempotency key is being worked on
│   │   └── JustAnswered          and was answered meanwhile: tried again, it finds the answer
│   └── NotSealed                 a revision that no block holds yet
├── KeyReused                422  the same idempotency key with another body
├── TooLarge                 413  more bytes than this route takes
├── WrongMediaType           415  a body of another kind than this route takes
├── TooManyRequests          429  a caller past its share
├── ClientLeft               499  nobody waits for the answer any more; nothing was begun
├── Unavailable              503  a part that we need does not answer; nothing was done; says when to ask again
│   └── Busy                      more to do than we can; nothing was begun
├── WarehouseRefused         500  the warehouse answers, and refuses what we ask of it
└── Misconfigured            500  the program's own settings; the CLI exits 2 with its message
"""

from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One thing wrong at one place of the input."""

    field: str
    code: str
    message: str


@dataclass
class RewardsError(Exception):
    """What was refused, in a sentence that a person can act on.

    `headers` go with the answer; `members` are more members of its problem document (RFC 9457, 3.2).
    """

    detail: str
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, object] = field(default_factory=dict)

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused"

    def __str__(self) -> str:
        return self.detail


class BadInput(RewardsError):
    status, code, title = 422, "bad-input", "The request is not valid"


class BadCursor(BadInput):
    code, title = "bad-cursor", "The page cursor is not one of ours"


class BadFeed(BadInput):
    code, title = "bad-feed", "The feed can't be read"


class NotAuthenticated(RewardsError):
    status, code, title = 401, "not-authenticated", "A valid bearer token is needed"


class NotAllowed(RewardsError):
    status, code, title = 403, "not-allowed", "This role may not do that"


class NotFound(RewardsError):
    status, code, title = 404, "not-found", "There is no such thing"


class NotEnough(RewardsError):
    status, code, title = 402, "not-enough-points", "Not enough points"


class Conflict(RewardsError):
    status, code, title = 409, "conflict", "Its state does not allow that"


class OutOfStock(Conflict):
    code, title = "out-of-stock", "Too little stock"


class WrongState(Conflict):
    """Its `code` is Conflict's: a caller reads its state either way."""


class NeedsApproval(Conflict):
    code, title = "needs-approval", "A second administrator has to approve it"


class UnderWay(Conflict):
    code, title = "under-way", "Another process is doing that"


class InFlight(Conflict):
    code, title = "in-flight", "The same request is being worked on"


class JustAnswered(InFlight):
    """Its answer was stored while this one was worked on."""


class NotSealed(Conflict):
    code, title = "not-sealed", "The ledger has not sealed it yet"


class KeyReused(RewardsError):
    status, code, title = 422, "idempotency-key-reused", "This Idempotency-Key came with another body"


class TooLarge(RewardsError):
    status, code, title = 413, "too-large", "The body is too large"


class WrongMediaType(RewardsError):
    status, code, title = 415, "wrong-media-type", "The body is of another kind than this takes"


class TooManyRequests(RewardsError):
    status, code, title = 429, "too-many-requests", "This caller sends too many requests"


class ClientLeft(RewardsError):
    """Named after nginx's status for the same; only logs and counts see it."""

    status, code, title = 499, "client-left", "The client has left"


class WarehouseRefused(RewardsError):
    status, code, title = 500, "warehouse-refused", "The warehouse refused a statement"


class Misconfigured(RewardsError):
    status, code, title = 500, "misconfigured", "The platform's settings do not fit"


@dataclass
class Unavailable(RewardsError):
    status, code, title = 503, "unavailable", "A part that this needs does not answer"

    def __post_init__(self) -> None:
        self.headers.setdefault("Retry-After", "1")


class Busy(Unavailable):
    code, title = "busy", "There is more to do than can be done"
