"""Detect text that a spreadsheet would run as a formula: feeds refuse it, exports prefix an apostrophe."""

from unicodedata import category, normalize

_SIGNS = "=+-@"


def is_formula(text: str) -> bool:
    """Return true if a spreadsheet may run the text as a formula.

    Such a text begins with a tab or line break, or its first visible character is = + - @ in any width (NFKC: ＝ ﹦ ⁺).
    """
    first = text[:1]
    if first.isascii() and first.isalnum():
        return False
    if first in ("\t", "\r", "\n"):
        return True
    visible = next((letter for letter in text if category(letter)[0] not in "ZC"), "")
    return visible != "" and normalize("NFKC", visible)[0] in _SIGNS
