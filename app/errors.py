"""The platform's errors; `app.problems` converts them into application/problem+json responses.

RewardsError
├── BadInput                 422  the request has an impossible value
│   ├── BadCursor            422
│   └── BadFeed              422  a feed whose header or encoding can't be read
├── NotAuthenticated         401
├── NotAllowed               403
├── NotFound                 404  also for what belongs to somebody else
├── NotEnough                402  too few points
├── Conflict                 409  the resource's state does not allow the request
│   ├── OutOfStock
│   ├── NeedsApproval             exceeds what the program allows without a second administrator
│   ├── PriceChanged              an order costs or earns something else than expected (app/orders/quotes.py)
│   ├── ReturnRefused             a term of the purchase refuses a return (app/orders/service.py)
│   ├── TermsChanged              an order's return terms differ from those quoted (app/orders/quotes.py)
│   ├── QuoteOver                 the quote has expired
│   ├── WrongState                the state machine's table refuses the event
│   ├── UnderWay                  another process is doing the same task
│   ├── InFlight                  a request with the same idempotency key is running
│   │   └── JustAnswered          that request has just ended: a retry gets its response
│   └── NotSealed                 the ledger's revision is in no block yet
├── KeyReused                422  the same idempotency key with another body
├── TooLarge                 413  more bytes than the route accepts
├── WrongMediaType           415  a media type that the route does not accept
├── TooManyRequests          429  a caller past its rate limit
├── ClientLeft               499  the client disconnected; nothing was begun
├── Unavailable              503  a dependency does not answer; nothing was done; has Retry-After
│   └── Busy                      too many requests; nothing was begun
├── WarehouseRefused         500  the warehouse refuses our statement
└── Misconfigured            500  the platform's settings are wrong; the CLI exits 2 with its message
"""

from dataclasses import dataclass, field
from typing import ClassVar, Self


@dataclass(frozen=True)
class FieldError:
    """An invalid field of the input: its path (body.name), an error code, and a message."""

    field: str
    code: str
    message: str


@dataclass
class RewardsError(Exception):
    """An error whose detail a person can act on; `members` are extension members of its JSON (RFC 9457, 3.2)."""

    detail: str
    errors: list[FieldError] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    members: dict[str, object] = field(default_factory=dict)

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "The request was refused"
    sample: ClassVar[str] = "the request was refused"
    sample_errors: ClassVar[tuple[FieldError, ...]] = ()
    sample_headers: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def example(cls) -> Self:
        """Return an example of the error for the API's documentation."""
        return cls(cls.sample, [*cls.sample_errors], dict(cls.sample_headers))

    def __str__(self) -> str:
        return self.detail


class BadInput(RewardsError):
    status, code, title = 422, "bad-input", "The request is not valid"
    sample = "body.name: String should have at least 1 character"
    sample_errors: ClassVar[tuple[FieldError, ...]] = (
        FieldError("body.name", "string_too_short", "String should have at least 1 character"),
    )


class BadCursor(BadInput):
    code, title = "bad-cursor", "The page cursor is not one of ours"
    sample = "the cursor is not one that this list gave: begin without one"
    sample_errors = (FieldError("cursor", "bad-cursor", "is not one that this list gave"),)


class BadFeed(BadInput):
    code, title = "bad-feed", "The feed can't be read"
    sample = "the row in line 3 is not CSV: unexpected end of data; check its quotes"
    sample_errors = ()


class NotAuthenticated(RewardsError):
    status, code, title = 401, "not-authenticated", "A valid bearer token is needed"
    sample = "send a bearer token in the Authorization header"
    sample_headers = (("WWW-Authenticate", "Bearer"),)


class NotAllowed(RewardsError):
    status, code, title = 403, "not-allowed", "This role may not do that"
    sample = "this is for admin"


class NotFound(RewardsError):
    status, code, title = 404, "not-found", "There is no such thing"
    sample = "there is no product 0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10"


class NotEnough(RewardsError):
    status, code, title = 402, "not-enough-points", "Not enough points"
    sample = "500 points are needed, 120 are available"


class Conflict(RewardsError):
    status, code, title = 409, "conflict", "Its state does not allow that"
    sample = "the vendor is suspended; only an active vendor may change anything"


class OutOfStock(Conflict):
    code, title = "out-of-stock", "Too little stock"
    sample = "Chocolate chip cookies 14 oz: 1 left, 2 asked"
    sample_errors = (FieldError("0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10", "out-of-stock", sample),)


class WrongState(Conflict):
    """The state machine refuses the event; its `code` is the same as Conflict's."""


class NeedsApproval(Conflict):
    code, title = "needs-approval", "A second administrator has to approve it"
    sample = (
        "the rule Eight gives more than may be given without a second administrator: most_percent: 12 is more than 10"
    )
    sample_errors = (FieldError("most_percent", "past-limit", "12 is more than 10"),)


class UnderWay(Conflict):
    code, title = "under-way", "Another process is doing that"
    sample = "another process is calculating this night"


class InFlight(Conflict):
    code, title = "in-flight", "The same request is being worked on"
    sample = "the same request is being worked on; ask again in a moment"


class JustAnswered(InFlight):
    """A concurrent request with the same idempotency key has just stored its response."""


class NotSealed(Conflict):
    code, title = "not-sealed", "The ledger has not sealed it yet"
    sample = "version 0 of document 0197f0aa-5c1e-7b1f-9d43-6d1c1b7a2f10 is not sealed yet: ask again in a moment"


class KeyReused(RewardsError):
    status, code, title = 422, "idempotency-key-reused", "This Idempotency-Key came with another body"
    sample = "this Idempotency-Key was used with another body; send a new key for a new request"


class TooLarge(RewardsError):
    status, code, title = 413, "too-large", "The body is too large"
    sample = "send at most 1048576 bytes"


class WrongMediaType(RewardsError):
    status, code, title = 415, "wrong-media-type", "The body is of another kind than this takes"
    sample = "send it with Content-Type: application/json"
    sample_headers = (("Accept", "application/json"),)


class TooManyRequests(RewardsError):
    status, code, title = 429, "too-many-requests", "This caller sends too many requests"
    sample = "at most 1200 in 60 seconds; try again after `Retry-After` seconds"
    sample_headers = (("Retry-After", "12"),)


class ClientLeft(RewardsError):
    """The client closed its connection. Status 499, borrowed from nginx, appears only in logs and metrics."""

    status, code, title = 499, "client-left", "The client has left"


class WarehouseRefused(RewardsError):
    status, code, title = 500, "warehouse-refused", "The warehouse refused a statement"


class Misconfigured(RewardsError):
    status, code, title = 500, "misconfigured", "The platform's settings do not fit"


@dataclass
class Unavailable(RewardsError):
    status, code, title = 503, "unavailable", "A part that this needs does not answer"
    sample = "the database did not answer within 1.8 s"
    sample_headers = (("Retry-After", "1"),)

    def __post_init__(self) -> None:
        self.headers.setdefault("Retry-After", "1")


class Busy(Unavailable):
    code, title = "busy", "There is more to do than can be done"
    sample = "nothing was changed; try again after `Retry-After` seconds"
    sample_headers = (("Retry-After", "3"),)


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its class's name if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
