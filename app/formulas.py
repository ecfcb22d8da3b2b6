"""Text that a spreadsheet would run as a formula: feeds refuse it, exports put an apostrophe before it."""

from unicodedata import category, normalize

_SIGNS = "=+-@"


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may run this cell.

    It begins with a tab or a line break; or its first character that is seen is a sign of a formula in any width
    (NFKC: ＝ ＋ － ＠ ﹦ ⁺).
    """
    first = text[:1]
    if first.isascii() and first.isalnum():
        return False
    if first in ("\t", "\r", "\n"):
        return True
    seen = next((letter for letter in text if category(letter)[0] not in "ZC"), "")
    return seen != "" and normalize("NFKC", seen)[0] in _SIGNS
