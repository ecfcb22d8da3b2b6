"""Short points of a lot: points of returned units that the member had spent and could not replace from other lots.

The JSON in `Lot.explanation` lists the lot's returns, each with its short points. If a redemption from before a return
is undone, the redemption's points pay the return's short points: without the redemption, the return would have taken
these points.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from app.wallet.models import Lot

Entry = dict[str, Any]
"""An item of `Lot.explanation["returns"]`: it describes one return, or the reversal of a correction."""


def since(lot: Lot, redemption_id: UUID) -> dict[str, int]:
    """Return, by return id, the lot's short points from returns that are later than the redemption."""
    entries = _entries(lot)
    missing = {_return_id(entry): entry["short"] for entry in entries if entry.get("short")}
    unrecorded = lot.short - sum(missing.values())
    if unrecorded > 0 and entries:  # from before entries recorded short points
        newest = _return_id(entries[-1])
        missing[newest] = missing.get(newest, 0) + unrecorded
    return {return_id: points for return_id, points in missing.items() if UUID(return_id) > redemption_id}


def paid(lot: Lot, return_id: str, points: int) -> Lot:
    """Return the lot after other lots paid `points` of a return's short points; these count as `recovered` then."""
    return replace(without(lot, return_id, points), recovered=lot.recovered + points)


def without(lot: Lot, return_id: str, points: int) -> Lot:
    """Return the lot with fewer short points: subtract `points` from its total and from its entry of this return."""
    entries = [
        {**entry, "short": max(0, entry["short"] - points)}
        if _return_id(entry) == return_id and entry.get("short")
        else entry
        for entry in _entries(lot)
    ]
    return replace(lot, short=lot.short - points, explanation={**lot.explanation, "returns": entries})


def entry(lot: Lot, return_id: str) -> Entry:
    """Return what the lot's `explanation` records about one return, without the number of short points."""
    entry = next(entry for entry in _entries(lot) if _return_id(entry) == return_id)
    return {name: value for name, value in entry.items() if name != "short"}


def _entries(lot: Lot) -> list[Entry]:
    entries: list[Entry] = lot.explanation.get("returns", [])
    return entries


def _return_id(entry: Entry) -> str:
    return str(entry.get("return_id") or entry.get("reversal_id") or entry["reversed"])
