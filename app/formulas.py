"""Detect text that a spreadsheet would run as a formula: feeds refuse it, exports prefix an apostrophe."""

from unicodedata import category, normalize

_SIGNS = "=+-@"


def is_formula(text: str) -> bool:
    """Return true if a spreadsheet may run this cell.

    True if it begins with a tab or a line break, or if its first visible character is a formula's sign in any width
    (NFKC: ＝ ＋ － ＠ ﹦ ⁺).
    """
    first = text[:1]
    if first.isascii() and first.isalnum():
        return False
    if first in ("\t", "\r", "\n"):
        return True
    visible = next((letter for letter in text if category(letter)[0] not in "ZC"), "")
    return visible != "" and normalize("NFKC", visible)[0] in _SIGNS
