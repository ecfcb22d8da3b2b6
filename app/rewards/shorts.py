"""Points that a return could not take, because the member had spent them and had no others: its lot went short of them.

A lot's explanation says at each of its returns how many those still are. Who undoes a redemption is where they would
have been without it: what went short since is taken then, the oldest first.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from app.rewards.models import Lot


def since(lot: Lot, redemption_id: UUID) -> dict[str, int]:
    """Of what a lot went short after a redemption, what is still missing: points by the id of its return."""
    missing = {_id(told): told["short"] for told in _entries(lot) if told.get("short")}
    unknown = lot.short - sum(missing.values())
    if unknown > 0 and _entries(lot):  # written before returns said it
        newest = _id(_entries(lot)[-1])
        missing[newest] = missing.get(newest, 0) + unknown
    return {return_id: points for return_id, points in missing.items() if UUID(return_id) > redemption_id}


def paid(lot: Lot, return_id: str, points: int) -> Lot:
    """The lot, once so much of what the return of that id went short of is taken elsewhere."""
    return replace(without(lot, return_id, points), recovered=lot.recovered + points)


def without(lot: Lot, return_id: str, points: int) -> Lot:
    """The lot, short of so much less."""
    entries = [
        {**told, "short": max(0, told["short"] - points)} if _id(told) == return_id and told.get("short") else told
        for told in _entries(lot)
    ]
    return replace(lot, short=lot.short - points, explanation={**lot.explanation, "returns": entries})


def entry(lot: Lot, return_id: str) -> dict[str, Any]:
    """What a lot's explanation says of that return, but for what it went short of."""
    said = next(told for told in _entries(lot) if _id(told) == return_id)
    return {name: value for name, value in said.items() if name != "short"}


def _entries(lot: Lot) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = lot.explanation.get("returns", [])
    return entries


def _id(entry: dict[str, Any]) -> str:
    """That of the return, or of the correction's reversal."""
    return str(entry.get("return_id") or entry.get("reversal_id") or entry["reversed"])
