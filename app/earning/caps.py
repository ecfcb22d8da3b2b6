"""Caps on what an earner gives: how much room is left, held by a row lock while an order takes of it.

A cap's use is one row, whose CHECK the database keeps even where this code is wrong. Its key names the earner, then the
member and the business day where the cap is for those. What a return takes back gives the room back. The most that an
earner gives in one order needs no row: `earning.within_caps` keeps to it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from app.db import Session, WriteSession
from app.earning import repository
from app.earning.earners import Earner, OverCap
from app.ids import NIL

_NONE = (None,) * 4


def _keys(earner_id: UUID, member_id: UUID, day: date) -> tuple[str, str, str, str]:
    return f"{earner_id}/{member_id}", f"{earner_id}/{member_id}/{day}", str(earner_id), f"{earner_id}/{day}"


def counted(earner: Earner) -> bool:
    """Whether what it may give depends on what it gave to other orders."""
    return bool(_caps(earner, NIL, date.min))


def _caps(earner: Earner, member_id: UUID, day: date) -> list[tuple[str, int]]:
    """Key and limit of each cap that the earner has."""
    limits = (earner.caps.member, earner.caps.member_day, earner.caps.budget, earner.caps.day)
    if limits == _NONE:
        return []
    keys = _keys(earner.earner_id, member_id, day)
    return [(key, limit) for key, limit in zip(keys, limits, strict=True) if limit is not None]


@dataclass
class Room:
    """What is left under each cap, by key; `taken` is what was taken of it since it was read."""

    left: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def take(self, earner: Earner, member_id: UUID, day: date, points: int) -> int:
        """How many of the points the caps allow."""
        keys = [key for key, _ in _caps(earner, member_id, day)]
        if not keys:
            return points
        allowed = max(0, min([points, *(self.left[key] for key in keys)]))  # a limit may be lowered below what was used
        if allowed < points and earner.caps.over is OverCap.REFUSE:
            return 0
        for key in keys:
            self.left[key] -= allowed
            self.taken[key] = self.taken.get(key, 0) + allowed
        return allowed

    def add(self, asked: Iterable[tuple[Earner, UUID, date]]) -> None:
        """Room for those that it doesn't know yet, of which nothing was taken."""
        for key, limit in _limits(asked).items():
            self.left.setdefault(key, limit)

    def give_back(self, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
        """Points that were taken back count no more."""
        for key in _keys(earner_id, member_id, bought_on):
            if key in self.left:
                self.left[key] += points

    def forget(self, day: date) -> None:
        """Drop what is for one business day, once it is over."""
        self.left = {key: points for key, points in self.left.items() if not key.endswith(f"/{day}")}
        self.taken.clear()


def look(session: Session, asked: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """What is left for these earners, members and days, without holding it."""
    limits = _limits(asked)
    return _room(limits, repository.caps_used(session, list(limits))) if limits else Room()


def limited(asked: Iterable[tuple[Earner, UUID, date]]) -> bool:
    """Whether any of them has a cap."""
    return bool(_limits(asked))


def hold(session: WriteSession, asked: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """As `look`, held until the transaction ends. The wallets are locked."""
    limits = _limits(asked)
    if not limits:
        return Room()
    return _room(limits, repository.hold_caps(session, limits))


def use(session: WriteSession, room: Room) -> None:
    """Write down what was taken."""
    if room.taken:
        repository.use_caps(session, room.taken)


def count(session: WriteSession, most: dict[str, int]) -> None:
    """One more use of each key; the database refuses, as Conflict, what is more than the most of any."""
    repository.count_use(session, most)


def give_use_back(session: WriteSession, keys: Sequence[str]) -> None:
    """One use less of each key."""
    repository.free_caps(session, keys, 1)


def is_full(session: Session, most: dict[str, int]) -> bool:
    """Whether one more use of each key would be refused."""
    used = repository.caps_used(session, list(most))
    return any(used.get(key, 0) >= limit for key, limit in most.items())


def give_back(session: WriteSession, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
    """Points that were taken back count no more."""
    repository.free_caps(session, _keys(earner_id, member_id, bought_on), points)


def _limits(asked: Iterable[tuple[Earner, UUID, date]]) -> dict[str, int]:
    return {key: limit for earner, member_id, day in asked for key, limit in _caps(earner, member_id, day)}


def _room(limits: dict[str, int], used: dict[str, int]) -> Room:
    return Room({key: limit - used.get(key, 0) for key, limit in limits.items()})
