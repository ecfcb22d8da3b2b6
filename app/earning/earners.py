"""An earner is whatever gives points for a purchase: an earning rule, a promotion, a subscription or a voucher."""

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
    """Defines what a rule or offer covers, from the most specific to the most general."""

    PRODUCT = "product"
    BRAND = "brand"
    CATEGORY = "category"
    VENDOR = "vendor"
    EVERYTHING = "everything"


# Common spellings of UUIDs; Python's parser accepts more.
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def targeted(target: str, scope: Scope | None) -> str:
    """Return the target in canonical spelling; a scope of None leaves it unchecked.

    Raises ValueError if it does not fit the scope, is not an id where one is required, or has spaces at its ends.
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
    """Return the key by which targets are compared: brands by `text.fold`, ids in canonical spelling."""
    if scope is Scope.BRAND:
        return fold(target)
    return str(UUID(target)) if scope is not Scope.EVERYTHING and _ID.fullmatch(target) else target


class Sellable(Protocol):
    """The fields of a product that earning reads."""

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
    """An order line as earning sees it.

    An earner computes points for `base_minor` and `units` as if the whole line were paid with money; the result is
    multiplied by `money_share`, the part that was. `free` lines cost nothing.
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
        """Build the purchase of an order line, with the amount that the program's earning base selects."""
        net_minor = gross_minor - discount_minor
        share = Fraction(net_minor - points_minor, net_minor) if points_minor else WHOLE
        base_minor = gross_minor if base is EarningBase.GROSS else net_minor
        return cls(line, product, units, base_minor, share, net_minor <= 0)

    @property
    def money_minor(self) -> int:
        """The part of the base that was paid with money."""
        paid = self.base_minor * self.money_share
        return divide(paid.numerator, paid.denominator)


class Stacking(StrEnum):
    """Defines how rules and offers combine that cover the same purchase.

    Of `particular` ones, the one with the most specific scope applies. It competes with `best_of` ones: the highest
    points win. Those that are `adds` are added to that. An `exclusive` one applies alone.
    """

    PARTICULAR = "particular"
    BEST_OF = "best_of"
    ADDS = "adds"
    EXCLUSIVE = "exclusive"


class OverCap(StrEnum):
    """Defines whether points beyond a cap are reduced to it or not given at all."""

    REDUCE = "reduce"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Caps:
    """The most points that an earner gives: per member, per member and business day, and in total (`budget`).

    `order` and `day` are limits of the program: per order, and to all members per business day.
    """

    member: int | None = None
    member_day: int | None = None
    budget: int | None = None
    over: OverCap = OverCap.REDUCE
    order: int | None = None
    day: int | None = None

    def within(self, program: Program) -> Self:
        """Return the caps lowered to the program's limits."""
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
    """`gives` computes exact points from a purchase and the points of rules; `says` describes it in words.

    An earner `on_top` multiplies or adds to the points of rules. It runs in [starts_at, ends_at). Earners rank by
    priority (higher first), scope (more specific first) and age (older first). Free lines earn only if `when_free`. A
    `limited` earner stays within the program's limits.
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
        """Return the earner with the program's limits applied, if it is limited."""
        return replace(self, caps=self.caps.within(program)) if self.limited else self

    @property
    def rank(self) -> tuple[int, int, UUID]:
        return (-self.priority, _PARTICULAR[self.scope], self.earner_id)


_PARTICULAR = {scope: place for place, scope in enumerate(Scope)}
Covering = Mapping[Scope, Mapping[str, Sequence[Earner]]]


def by_target(earners: Sequence[Earner]) -> Covering:
    """Group earners by scope and target, so that those of a product are found by key."""
    groups: dict[Scope, dict[str, list[Earner]]] = {}
    for earner in earners:
        groups.setdefault(earner.scope, {}).setdefault(target_key(earner.scope, earner.target), []).append(earner)
    return groups


def covering(groups: Covering, product: Sellable) -> list[Earner]:
    """Return the earners whose scope and target cover the product, whether or not they run now."""
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
    """Return a function for the extra points that raise those of rules to `percent`."""
    return lambda _, given: given * (percent - 100) / 100


def per_unit(points: int) -> Callable[[Purchase, Fraction], Fraction]:
    return lambda purchase, _: Fraction(points * purchase.units)
