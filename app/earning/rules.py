"""Earning rules, by which administrators define which products earn how many points."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from uuid import UUID

from app.earning.earners import Caps, Earner, OverCap, Purchase, Scope, Stacking, multiplies, per_unit, target_key
from app.earning.lifecycle import Living


def _rate(points: int, minor: int) -> Callable[[Purchase, Fraction], Fraction]:
    return lambda purchase, _: Fraction(purchase.base_minor * points, minor)


class Method(StrEnum):
    RATE = "rate"
    FIXED = "fixed"
    CASH_BACK = "cash_back"
    MULTIPLIER = "multiplier"


@dataclass(frozen=True)
class Rule(Living):
    """A stored earning rule.

    The method says what `amount` is. rate: points per unit of the currency. fixed: points per unit bought. cash_back:
    hundredths of a percent of the price, given back as points. multiplier: the percentage to which other rules' points
    are raised. Order lines with a price of zero earn points only if `when_free`.
    """

    rule_id: UUID
    name: str
    scope: Scope
    target: str
    method: Method
    amount: int
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    stacking: Stacking = Stacking.PARTICULAR
    priority: int = 0
    cap_member: int | None = None
    cap_member_day: int | None = None
    budget: int | None = None
    over_cap: OverCap = OverCap.REDUCE
    when_free: bool = False

    @property
    def key(self) -> UUID:
        return self.rule_id

    @property
    def title(self) -> str:
        return self.name

    @property
    def dates(self) -> tuple[datetime | None, datetime | None]:
        return self.starts_at, self.ends_at

    def covers_as(self, other: "Rule") -> bool:
        """Return whether both rules have the same scope and target, and so cover the same products."""
        return self.scope is other.scope and target_key(self.scope, self.target) == target_key(
            other.scope, other.target
        )

    def overlaps(self, other: "Rule") -> bool:
        """Return whether the periods in which the two rules run overlap."""
        return (self.starts_at is None or other.ends_at is None or self.starts_at < other.ends_at) and (
            other.starts_at is None or self.ends_at is None or other.starts_at < self.ends_at
        )

    def earner(self, minor_per_100_points: int, minor_per_unit: int) -> Earner:
        """Return the rule as an Earner; the arguments give the worth of 100 points and of 1 currency unit."""
        says, gives = _meaning(self.method, self.amount, minor_per_100_points, minor_per_unit)
        return Earner(
            earner_id=self.rule_id,
            name=self.name,
            scope=self.scope,
            target=self.target,
            says=says,
            gives=gives,
            starts_at=self.starts_at,
            ends_at=self.ends_at,
            on_top=self.method is Method.MULTIPLIER,
            stacking=self.stacking,
            priority=self.priority,
            caps=Caps(self.cap_member, self.cap_member_day, self.budget, self.over_cap),
            when_free=self.when_free,
            limited=self.limited,
        )


def _meaning(
    method: Method, amount: int, minor_per_100_points: int, minor_per_unit: int
) -> tuple[str, Callable[[Purchase, Fraction], Fraction]]:
    match method:
        case Method.RATE:
            return f"{amount} for every 1.00 paid", _rate(amount, minor_per_unit)
        case Method.FIXED:
            return f"{amount} per unit", per_unit(amount)
        case Method.CASH_BACK:
            worth = 100 * minor_per_100_points
            return f"{amount / 100:g} % back", lambda bought, _: Fraction(bought.base_minor * amount, worth)
        case Method.MULTIPLIER:
            return f"{amount} percent of what the rules give", multiplies(amount)
