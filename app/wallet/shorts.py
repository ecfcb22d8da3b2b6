"""Points that a return could not take, because the member had spent them and had no others: its lot went short of them.

A lot's explanation keeps, for each of its returns, how many points are still missing. Undoing a redemption takes what
lots went short of since it was made, the oldest first: without the redemption the returns would have taken it.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from app.wallet.models import Lot

Entry = dict[str, Any]
"""What an explanation says of one return."""


def since(lot: Lot, redemption_id: UUID) -> dict[str, int]:
    """Points that the lot went short of after the redemption and still misses, by the id of the return."""
    entries = _entries(lot)
    missing = {_id(entry): entry["short"] for entry in entries if entry.get("short")}
    unrecorded = lot.short - sum(missing.values())
    if unrecorded > 0 and entries:  # the lot went short before entries said so
        newest = _id(entries[-1])
        missing[newest] = missing.get(newest, 0) + unrecorded
    return {return_id: points for return_id, points in missing.items() if UUID(return_id) > redemption_id}


def paid(lot: Lot, return_id: str, points: int) -> Lot:
    """The lot after other lots paid so many of the points that its return went short of."""
    return replace(without(lot, return_id, points), recovered=lot.recovered + points)


def without(lot: Lot, return_id: str, points: int) -> Lot:
    """The lot, short of so many points fewer."""
    entries = [
        {**entry, "short": max(0, entry["short"] - points)} if _id(entry) == return_id and entry.get("short") else entry
        for entry in _entries(lot)
    ]
    return replace(lot, short=lot.short - points, explanation={**lot.explanation, "returns": entries})


def entry(lot: Lot, return_id: str) -> Entry:
    """The explanation's entry for the return, without the points it went short of."""
    entry = next(entry for entry in _entries(lot) if _id(entry) == return_id)
    return {name: value for name, value in entry.items() if name != "short"}


def _entries(lot: Lot) -> list[Entry]:
    entries: list[Entry] = lot.explanation.get("returns", [])
    return entries


def _id(entry: Entry) -> str:
    """The id of the return, or of the correction's reversal."""
    return str(entry.get("return_id") or entry.get("reversal_id") or entry["reversed"])
