"""The parts of rules and offers that the calculation of points uses: what they cover, how they combine, their caps.

An `Earner` is an earning rule, promotion, subscription or voucher that gives points for purchases.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import Protocol, Self
from uuid import UUID

from app.money import divide
from app.program.models import EarningBase, Program
from app.text import fold, line


class Scope(StrEnum):
    """The kind of target that a rule or offer covers, from the most specific to the most general."""

    PRODUCT = "product"
    BRAND = "brand"
    CATEGORY = "category"
    VENDOR = "vendor"
    EVERYTHING = "everything"


# Common spellings of UUIDs; Python's parser accepts more.
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def targeted(target: str, scope: Scope | None) -> str:
    """Return a rule's or offer's target, a brand's name or an id, in canonical spelling; unchanged if `scope` is None.

    Raises ValueError if the target does not fit the scope, or begins or ends with a space.
    """
    if scope is None:
        return target
    if (scope is Scope.EVERYTHING) != (target == ""):
        raise ValueError("target names what the scope covers, and is empty for everything")
    if target != target.strip():
        raise ValueError("target begins or ends with a space")
    if scope in (Scope.EVERYTHING, Scope.BRAND):
        return line(target)
    if not _ID.fullmatch(target):
        raise ValueError(f"the target of scope {scope} is an id")
    return str(UUID(target))


def target_key(scope: Scope, target: str) -> str:
    """Return a target as a key for comparison: a brand folded (case, width, spaces), or an id in canonical spelling."""
    if scope is Scope.BRAND:
        return fold(target)
    return str(UUID(target)) if scope is not Scope.EVERYTHING and _ID.fullmatch(target) else target


class Sellable(Protocol):
    """The fields of a product that the calculation of points reads."""

    @property
    def product_id(self) -> UUID: ...
    @property
    def vendor_id(self) -> UUID: ...
    @property
    def category_id(self) -> UUID: ...
    @property
    def brand(self) -> str: ...
    @property
    def price_minor(self) -> int: ...
    @property
    def return_window_days(self) -> int: ...


WHOLE = Fraction(1)


@dataclass(frozen=True)
class Purchase:
    """The parts of an order line from which points are calculated.

    Points are first calculated as if all of `base_minor` were paid with money, then multiplied by `money_share`, the
    fraction that was paid with money rather than points. A `free` line has a price of 0.
    """

    line: int
    product: Sellable
    units: int
    base_minor: int
    money_share: Fraction = WHOLE
    free: bool = False

    @classmethod
    def of(
        cls,
        line: int,
        product: Sellable,
        units: int,
        *,
        gross_minor: int,
        discount_minor: int = 0,
        points_minor: int = 0,
        base: EarningBase = EarningBase.NET,
    ) -> Self:
        """Build a purchase; points are earned on its gross or net amount, as the program's setting (`base`) says."""
        net_minor = gross_minor - discount_minor
        share = Fraction(net_minor - points_minor, net_minor) if points_minor else WHOLE
        base_minor = gross_minor if base is EarningBase.GROSS else net_minor
        return cls(line, product, units, base_minor, share, net_minor <= 0)

    @property
    def money_minor(self) -> int:
        """The part of `base_minor` that was paid with money, rounded half to even."""
        paid = self.base_minor * self.money_share
        return divide(paid.numerator, paid.denominator)


class Stacking(StrEnum):
    """How a rule or offer combines with others that cover the same purchase.

    If an `exclusive` rule or offer covers the purchase, it alone applies. Otherwise the most specific `particular` one
    and all `best_of` ones compete, and only the one with the most points applies. All with `adds` apply in addition.
    """

    PARTICULAR = "particular"
    BEST_OF = "best_of"
    ADDS = "adds"
    EXCLUSIVE = "exclusive"


class OverCap(StrEnum):
    """What happens if points exceed a cap: `reduce` gives what the cap allows, `refuse` gives no points."""

    REDUCE = "reduce"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Caps:
    """Caps on the points of one rule or offer: per member, per member and day, and in total (`budget`).

    `order` and `day` are caps that the program sets: per order, and per day for all members together. A day is a date
    in the program's time zone. `over` says what happens to points beyond a cap.
    """

    member: int | None = None
    member_day: int | None = None
    budget: int | None = None
    over: OverCap = OverCap.REDUCE
    order: int | None = None
    day: int | None = None

    def within(self, program: Program) -> Self:
        """Return these caps, tightened by the program's limits per order, per day and in total."""
        budgets = [budget for budget in (self.budget, program.most_points_in_all) if budget is not None]
        return replace(
            self,
            budget=min(budgets, default=None),
            order=program.most_points_per_order,
            day=program.most_points_per_day,
        )


def within(at: datetime, starts_at: datetime | None, ends_at: datetime | None) -> bool:
    """Return whether an instant is in [starts_at, ends_at); None means no limit on that side."""
    return (starts_at is None or starts_at <= at) and (ends_at is None or at < ends_at)


@dataclass(frozen=True)
class Earner:
    """A rule or offer that gives points for purchases; `gives` calculates them unrounded, `says` is the text.

    `gives` takes a purchase and the points that earners without `on_top` gave for it, which a multiplier increases. The
    earner runs in [starts_at, ends_at), covers order lines of price zero only if `when_free`, and is subject to the
    program's limits if `limited`. `rank` sorts by priority (higher first), scope (narrower first), age (older first).
    """

    earner_id: UUID
    name: str
    scope: Scope
    target: str
    says: str
    gives: Callable[[Purchase, Fraction], Fraction]
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    on_top: bool = False
    stacking: Stacking = Stacking.PARTICULAR
    priority: int = 0
    caps: Caps = Caps()
    when_free: bool = False
    limited: bool = False

    def runs(self, at: datetime) -> bool:
        return within(at, self.starts_at, self.ends_at)

    def within_limits(self, program: Program) -> Self:
        """Return the rule or offer; if it is `limited`, its caps are tightened by the program's limits."""
        return replace(self, caps=self.caps.within(program)) if self.limited else self

    @property
    def rank(self) -> tuple[int, int, UUID]:
        return (-self.priority, _PARTICULAR[self.scope], self.earner_id)


_PARTICULAR = {scope: place for place, scope in enumerate(Scope)}
Covering = Mapping[Scope, Mapping[str, Sequence[Earner]]]


def by_target(earners: Sequence[Earner]) -> Covering:
    """Return rules and offers grouped by scope and target, as `covering` needs them."""
    groups: dict[Scope, dict[str, list[Earner]]] = {}
    for earner in earners:
        groups.setdefault(earner.scope, {}).setdefault(target_key(earner.scope, earner.target), []).append(earner)
    return groups


def covering(groups: Covering, product: Sellable) -> list[Earner]:
    """Return the rules and offers whose target is the product, its brand, category or vendor, or everything."""
    return [earner for scope, targets in groups.items() for earner in targets.get(_target(scope, product), ())]


def _target(scope: Scope, product: Sellable) -> str:
    match scope:
        case Scope.PRODUCT:
            return str(product.product_id)
        case Scope.BRAND:
            return fold(product.brand)
        case Scope.CATEGORY:
            return str(product.category_id)
        case Scope.VENDOR:
            return str(product.vendor_id)
        case Scope.EVERYTHING:
            return ""


def multiplies(percent: int) -> Callable[[Purchase, Fraction], Fraction]:
    """Return a function for a multiplier's extra points; at 150 percent they are half of the basic rules' points."""
    return lambda _, rule_points: rule_points * (percent - 100) / 100


def per_unit(points: int) -> Callable[[Purchase, Fraction], Fraction]:
    return lambda purchase, _: Fraction(points * purchase.units)
