"""Caps on the points that a rule or offer gives, and on a voucher's uses: read, lock and count what is used.

Each cap has a row in the table cap_usage, where a CHECK refuses usage beyond the limit. A cap key is the id of the rule
or offer; a cap per member adds the member id, a cap per day the date in the program's time zone. Points that are taken
back can be given again. The cap per order has no row: `calculation.within_caps` enforces it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from app.db import Session, WriteSession
from app.earning import repository
from app.earning.earners import Earner, OverCap
from app.ids import NIL

count = repository.count_use


def _keys(earner_id: UUID, member_id: UUID, day: date) -> tuple[str, str, str, str]:
    """Return a rule's or offer's cap keys: per member, per member and day, in total, and per day."""
    return f"{earner_id}/{member_id}", f"{earner_id}/{member_id}/{day}", str(earner_id), f"{earner_id}/{day}"


def counted(earner: Earner) -> bool:
    """Return whether a rule or offer has caps whose usage is stored, which are all but the cap per order."""
    return bool(_caps(earner, NIL, date.min))


def _caps(earner: Earner, member_id: UUID, day: date) -> list[tuple[str, int]]:
    """Return (cap key, limit) of each cap of a rule or offer, except the cap per order."""
    limits = (earner.caps.member, earner.caps.member_day, earner.caps.budget, earner.caps.day)
    if limits == (None,) * 4:  # the usual case, made fast
        return []
    keys = _keys(earner.earner_id, member_id, day)
    return [(key, limit) for key, limit in zip(keys, limits, strict=True) if limit is not None]


@dataclass
class Room:
    """Points by cap key: `left` is what each cap still allows, `taken` what was used and is not stored yet."""

    left: dict[str, int] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)

    def take(self, earner: Earner, member_id: UUID, day: date, points: int) -> int:
        """Return how many of `points` all caps of a rule or offer allow, and subtract the result from `left`."""
        keys = [key for key, _ in _caps(earner, member_id, day)]
        if not keys:
            return points
        # A limit may be lowered below the points used.
        allowed = max(0, min(points, *(self.left[key] for key in keys)))
        if allowed < points and earner.caps.over is OverCap.REFUSE:
            return 0
        for key in keys:
            self.left[key] -= allowed
            self.taken[key] = self.taken.get(key, 0) + allowed
        return allowed

    def add(self, requests: Iterable[tuple[Earner, UUID, date]]) -> None:
        """Add the caps of `requests` that this Room lacks, as caps of which nothing is used."""
        for key, limit in _limits(requests).items():
            self.left.setdefault(key, limit)

    def give_back(self, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
        """Raise what a rule's or offer's caps still allow, because points were taken back from a member."""
        for key in _keys(earner_id, member_id, bought_on):
            if key in self.left:
                self.left[key] += points

    def forget(self, day: date) -> None:
        """Remove the caps per day of a day that is over, and empty `taken`."""
        self.left = {key: points for key, points in self.left.items() if not key.endswith(f"/{day}")}
        self.taken.clear()


def read(session: Session, requests: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """Return what the caps of rules or offers still allow for members and days, without locking the caps."""
    limits = _limits(requests)
    return _room(limits, repository.caps_used(session, list(limits))) if limits else Room()


def limited(requests: Iterable[tuple[Earner, UUID, date]]) -> set[UUID]:
    """Return the member ids of those `requests` whose rule or offer has any cap besides the cap per order."""
    return {member_id for earner, member_id, day in requests if _caps(earner, member_id, day)}


def lock(session: WriteSession, requests: Iterable[tuple[Earner, UUID, date]]) -> Room:
    """Lock caps until the transaction ends, and return what they still allow. The caller has to lock wallets first."""
    limits = _limits(requests)
    return _room(limits, repository.lock_caps(session, limits)) if limits else Room()


def use(session: WriteSession, room: Room) -> None:
    """Add the points that were taken from `room` to the caps' stored usage."""
    if room.taken:
        repository.use_caps(session, room.taken)


def give_use_back(session: WriteSession, keys: Sequence[str]) -> None:
    """Subtract one use of a voucher from the stored usage of the caps with these keys."""
    repository.free_caps(session, keys, 1)


def is_full(session: Session, most: dict[str, int]) -> bool:
    """Return whether a voucher's uses have reached the limit of at least one cap; `most` maps cap keys to limits."""
    used = repository.caps_used(session, list(most))
    return any(used.get(key, 0) >= limit for key, limit in most.items())


def give_back(session: WriteSession, earner_id: UUID, member_id: UUID, bought_on: date, points: int) -> None:
    """Reduce the stored usage of a rule's or offer's caps, because points were taken back from a member."""
    repository.free_caps(session, _keys(earner_id, member_id, bought_on), points)


def _limits(requests: Iterable[tuple[Earner, UUID, date]]) -> dict[str, int]:
    return {key: limit for earner, member_id, day in requests for key, limit in _caps(earner, member_id, day)}


def _room(limits: dict[str, int], used: dict[str, int]) -> Room:
    return Room({key: limit - used.get(key, 0) for key, limit in limits.items()})
