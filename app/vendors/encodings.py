"""Find a feed's character encoding: by byte order mark, else as the sender declares, else UTF-8; never guessed.

A byte that is invalid in the encoding is decoded as MARK, so that only its row is refused, not the whole feed.
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
"""Character encodings that a sender may declare, with Python's name for each."""

MARK = "\udcff"
"""Stands for a byte that cannot be decoded: a lone surrogate, which no valid text contains."""

MARKING = "rewards-feed"
LONGEST_MARK = 3
# The closing quote is optional: requiring it would take quadratic time on many unclosed quotes.
_PARAMETER = re.compile(r""";\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^\s;"]*))""")
_ESCAPED = re.compile(r"\\(.)")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def charset_of(content_type: str | None) -> str | None:
    """Return the charset parameter of a media type (RFC 9110, 5.6.6) in lower case, or None if there is none."""
    for name, quoted, plain in _PARAMETER.findall(content_type or ""):
        if name.lower() == "charset":
            return (_ESCAPED.sub(r"\1", quoted) or plain).lower()
    return None


def codec(begin: bytes, charset: str | None) -> str:
    """Return the name of Python's codec for a file that begins with these bytes; `charset` is what the sender declares.

    Raises BadFeed for a charset that is not in CHARSETS, and for UTF-16 without a byte order mark.
    """
    for mark, marked in _BYTE_ORDER_MARKS:
        if begin.startswith(mark):
            return marked
    if charset is None:
        return "utf-8"
    codec_name = CHARSETS.get(charset.lower())
    if codec_name is None:
        raise BadFeed(f"the encoding {charset[:40]!r} is not read here; there are {', '.join(CHARSETS)}")
    if codec_name == "utf-16":
        raise BadFeed("the file has no byte order mark: say utf-16le or utf-16be")
    return codec_name


def _marked(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101  feeds are only decoded
    return MARK, error.end


codecs.register_error(MARKING, _marked)
