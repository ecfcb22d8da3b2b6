"""Caps on the points of an earner: the points left under each cap, locked while an order uses them.

Each cap has one row, whose CHECK the database enforces. The row's key names the earner, then the member and business
day if the cap is per member or day. Returned points become available again. The cap per order needs no row:
`calculation.within_caps` enforces it.
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
    """Return whether the points that the earner may give depend on what it gave to other orders."""
    return bool(_caps(earner, NIL, date.min))


def _caps(earner: Earner, member_id: UUID, day: date) -> list[tuple[str, int]]:
    """Return key and limit of each cap of the earner."""
    limits = (earner.caps.member, earner.caps.member_day, earner.caps.budget, earner.caps.day)
    if limits == _NONE:
        return []
    keys = _keys(earner.earner_id, member_id, day)
    return [(key, limit) for key, limit in zip(keys, limits, strict=True) if limit is not None]


@dataclass
class Room:
    """The points left under each cap, by key; `taken` counts those used since the room was read."""

    left: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def take(self, earner: Earner, member_id: UUID, day: date, points: int) -> int:
        """Use up to `points` under all caps of the earner, and return how many they allow."""
        keys = [key for key, _ in _caps(earner, member_id, day)]
        if not keys:
            return points
        allowed = max(
            0, min([points, *(self.left[key] for key in keys)])
        )  # a limit may be lowered below the points used
        if allowed < points and earner.caps.over is OverCap.REFUSE:
            return 0
        for key in keys:
            self.left[key] -= allowed
            self.taken[key] = self.taken.get(key, 0) + allowed
        return allowed

    def add(self, requests: Iterable[tuple[Earner, UUID, date]]) -> None:
        """Add caps that are not in the room yet; nothing of them is used."""
        for key, limit in _limits(requests).items():
            self.left.setdefault(key, limit)

    def give_back(self, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
        """Make points that were taken back available again."""
        for key in _keys(earner_id, member_id, bought_on):
            if key in self.left:
                self.left[key] += points

    def forget(self, day: date) -> None:
        """Drop the caps of a business day that is over."""
        self.left = {key: points for key, points in self.left.items() if not key.endswith(f"/{day}")}
        self.taken.clear()


def read(session: Session, requests: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """Read the points left for these earners, members and days, without locking."""
    limits = _limits(requests)
    return _room(limits, repository.caps_used(session, list(limits))) if limits else Room()


def limited(requests: Iterable[tuple[Earner, UUID, date]]) -> set[UUID]:
    """Return the members among them whom a cap limits."""
    return {member_id for earner, member_id, day in requests if _caps(earner, member_id, day)}


def lock(session: WriteSession, requests: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """Lock the caps until the transaction ends, and return the points left. The caller has locked the wallets."""
    limits = _limits(requests)
    if not limits:
        return Room()
    return _room(limits, repository.lock_caps(session, limits))


def use(session: WriteSession, room: Room) -> None:
    """Store the points used since the room was read."""
    if room.taken:
        repository.use_caps(session, room.taken)


def count(session: WriteSession, most: dict[str, int]) -> None:
    """Count one more use of each key; the database raises Conflict if a key's limit is exceeded."""
    repository.count_use(session, most)


def give_use_back(session: WriteSession, keys: Sequence[str]) -> None:
    """Count one use of each key less."""
    repository.free_caps(session, keys, 1)


def is_full(session: Session, most: dict[str, int]) -> bool:
    """Return whether one more use of any key would exceed its limit."""
    used = repository.caps_used(session, list(most))
    return any(used.get(key, 0) >= limit for key, limit in most.items())


def give_back(session: WriteSession, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
    """Make points that were taken back available again."""
    repository.free_caps(session, _keys(earner_id, member_id, bought_on), points)


def _limits(requests: Iterable[tuple[Earner, UUID, date]]) -> dict[str, int]:
    return {key: limit for earner, member_id, day in requests for key, limit in _caps(earner, member_id, day)}


def _room(limits: dict[str, int], used: dict[str, int]) -> Room:
    return Room({key: limit - used.get(key, 0) for key, limit in limits.items()})
