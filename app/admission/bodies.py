"""Read and check request bodies: media type, size, JSON nesting, and the memory that all bodies together may take."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Mapping
from itertools import accumulate

from starlette.types import Message, Receive

from app.admission.rules import JSON, Rule
from app.admission.waiting import busy
from app.errors import BadInput, ClientLeft, FieldError, TooLarge, WrongMediaType

SMALL_BYTES = 16 * 1024
DEEPEST = 32
MOST_VALUES = 5_000

_DOWN, _UP = 1, 255
_STEPS = bytes(_DOWN if byte in b"[{" else _UP for byte in range(256))
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

Headers = Mapping[bytes, bytes]


def check_repeated(headers: Iterable[tuple[bytes, bytes]], rule: Rule) -> None:
    """Raise BadInput if Content-Type or Authorization occurs twice: a proxy might obey one, and we the other."""
    # The login's route refuses a repeated Authorization itself.
    names = [name for name, _ in headers]
    for name in ("content-type",) if rule.login else ("authorization", "content-type"):
        if names.count(name.encode()) > 1:
            raise BadInput(f"{name}: send it once", [FieldError(f"header.{name}", "repeated", "send it once")])


def check_announced(headers: Headers, rule: Rule) -> None:
    """Raise TooLarge or WrongMediaType if the route doesn't accept the request's Content-Length or Content-Type."""
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length) > rule.most_bytes:
        raise too_large(rule.most_bytes)
    sent = length not in (b"", b"0") or b"transfer-encoding" in headers
    if sent and rule.media_types and not _takes(rule, media_type(headers)):
        accepted = " or ".join(rule.media_types)
        raise WrongMediaType(f"send it with Content-Type: {accepted}", headers={"Accept": ", ".join(rule.media_types)})


def media_type(headers: Headers) -> str:
    """Return the media type of Content-Type, in lower case, without parameters."""
    return headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()


def _takes(rule: Rule, kind: str) -> bool:
    if kind in rule.media_types:
        return True
    return JSON in rule.media_types and kind.startswith("application/") and kind.endswith("+json")


def too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"send at most {most_bytes} bytes")


class Bodies:
    """Reads request bodies into memory; those larger than SMALL_BYTES may together take at most `room` bytes."""

    def __init__(self, room: int) -> None:
        self._room = room

    async def read(self, receive: Receive, most_bytes: int) -> bytes:
        """Read a whole body; the caller must `release` it. Raises TooLarge, ClientLeft, or Busy if memory is short."""
        body, held, more = bytearray(), 0, True
        try:
            while more:
                message = await receive()
                body += _piece(message)
                more = message.get("more_body", False)
                if len(body) > most_bytes:
                    raise too_large(most_bytes)
                if len(body) > SMALL_BYTES:
                    self._reserve(len(body) - held)
                    held = len(body)
        except BaseException:
            self._room += held
            raise
        return bytes(body)

    def release(self, body: bytes) -> None:
        if len(body) > SMALL_BYTES:
            self._room += len(body)

    def _reserve(self, size: int) -> None:
        if size > self._room:
            raise busy()
        self._room -= size


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientLeft("it left while it sent its body")
    piece: bytes = message.get("body", b"")
    return piece


def bounded(receive: Receive, most_bytes: int) -> Receive:
    """Return an ASGI `receive` that passes the body on piece by piece, and raises TooLarge after `most_bytes`."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most_bytes:
            raise too_large(most_bytes)
        return message

    return counted


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return an ASGI `receive` that gives the already read body first, then the messages of the original `receive`."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def check_json(body: bytes) -> None:
    """Raise BadInput, without parsing, for JSON that has too many values, is nested too deep, or is not UTF-8."""
    if b"\0" in body or body.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # BOM_UTF32_* contain NULs
        raise _refused("not-utf-8", "its JSON must be UTF-8 (RFC 8259), without NUL")
    opened = body.count(b"[") + body.count(b"{")
    if opened + body.count(b",") > MOST_VALUES:
        raise _refused("too-many-values", f"its JSON may hold {MOST_VALUES} values")
    if opened > DEEPEST and _depth(body) > DEEPEST:
        raise _refused("too-deep", f"lists and objects of its JSON may be nested {DEEPEST} deep")


def _refused(code: str, message: str) -> BadInput:
    return BadInput(f"body: {message}", [FieldError("body", code, message)])


def _depth(body: bytes) -> int:
    """Return how deep a JSON body's lists and objects are nested; brackets in strings don't count."""
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(unescaped.split(b'"')[::2]).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0)
