"""The encoding of a feed: its byte order mark decides, else what the sender says, else it is UTF-8. Nothing is guessed.

A byte that the encoding does not have becomes MARK, so that its row can be refused and every other stays as it is.
"""

import codecs
import re

from app.errors import BadFeed

CHARSETS = {
    "utf-8": "utf-8",
    "us-ascii": "utf-8",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "windows-1252": "cp1252",
    "cp1252": "cp1252",
    "iso-8859-1": "iso-8859-1",
    "iso-8859-15": "iso-8859-15",
}
"""Names that a sender may use, and Python's codecs of them."""

MARK = "\udcff"
"""Stands for a byte that can't be read: a lone surrogate, which no encoding gives."""

MARKING = "rewards-feed"
LONGEST_MARK = 3
# A quoted text may lack its end: where it had to have one, many that lack it would take quadratic time.
_PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;"]*))""")
_ESCAPED = re.compile(r"\\(.)")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def charset_of(content_type: str | None) -> str | None:
    """The charset parameter of a media type (RFC 9110, 5.6.6), in lower case; None where it has none."""
    for name, quoted, plain in _PARAMETER.findall(content_type or ""):
        if name.lower() == "charset":
            return (_ESCAPED.sub(r"\1", quoted) or plain).lower()
    return None


def codec(begin: bytes, charset: str | None) -> str:
    """Python's name of the encoding of a file that begins so. Raises BadFeed for one that is not in CHARSETS."""
    for mark, marked in _BYTE_ORDER_MARKS:
        if begin.startswith(mark):
            return marked
    if charset is None:
        return "utf-8"
    known = CHARSETS.get(charset.lower())
    if known is None:
        raise BadFeed(f"the encoding {charset[:40]!r} is not read here; there are {', '.join(CHARSETS)}")
    if known == "utf-16":
        raise BadFeed("the file has no byte order mark: say utf-16le or utf-16be")
    return known


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  feeds are only decoded
    return MARK, error.end


codecs.register_error(MARKING, _marked)
