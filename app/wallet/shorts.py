"""A lot is short of the points that a return could not take because the member had spent them and had no others.

The lot's explanation records the missing points for each return. Undoing a redemption (giving its points back) takes
what lots became short of since that redemption, oldest first: without it, the returns would have taken these points.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from app.wallet.models import Lot

Entry = dict[str, Any]
"""The part of an explanation about one return."""


def since(lot: Lot, redemption_id: UUID) -> dict[str, int]:
    """Return the points, by return id, of which the lot became short after the redemption and still is."""
    entries = _entries(lot)
    missing = {_return_id(entry): entry["short"] for entry in entries if entry.get("short")}
    unrecorded = lot.short - sum(missing.values())
    if unrecorded > 0 and entries:  # the lot became short before entries recorded it
        newest = _return_id(entries[-1])
        missing[newest] = missing.get(newest, 0) + unrecorded
    return {return_id: points for return_id, points in missing.items() if UUID(return_id) > redemption_id}


def paid(lot: Lot, return_id: str, points: int) -> Lot:
    """Return the lot after other lots paid points of which it was short."""
    return replace(without(lot, return_id, points), recovered=lot.recovered + points)


def without(lot: Lot, return_id: str, points: int) -> Lot:
    """Return the lot, short of that many points fewer."""
    entries = [
        {**entry, "short": max(0, entry["short"] - points)}
        if _return_id(entry) == return_id and entry.get("short")
        else entry
        for entry in _entries(lot)
    ]
    return replace(lot, short=lot.short - points, explanation={**lot.explanation, "returns": entries})


def entry(lot: Lot, return_id: str) -> Entry:
    """Return the explanation's entry for a return, without the short points."""
    entry = next(entry for entry in _entries(lot) if _return_id(entry) == return_id)
    return {name: value for name, value in entry.items() if name != "short"}


def _entries(lot: Lot) -> list[Entry]:
    entries: list[Entry] = lot.explanation.get("returns", [])
    return entries


def _return_id(entry: Entry) -> str:
    """Return the id of the return, or of the correction's reversal."""
    return str(entry.get("return_id") or entry.get("reversal_id") or entry["reversed"])
