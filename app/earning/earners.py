"""What earns points, as the calculation sees it: an earning rule, a promotion, a subscription or a voucher."""

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
    """What an earner is for, from the most particular to the most general."""

    PRODUCT = "product"
    BRAND = "brand"
    CATEGORY = "category"
    VENDOR = "vendor"
    EVERYTHING = "everything"


# As people write ids; Python takes more than that for one.
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def targeted(target: str, scope: Scope | None) -> str:
    """The target, an id in its usual spelling. None is a scope that is none.

    Raises ValueError where it does not go with the scope, is no id where it must be one, or has spaces at its ends.
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
    """Brands are compared as shoppers read them, ids whatever their spelling."""
    if scope is Scope.BRAND:
        return fold(target)
    return str(UUID(target)) if scope is not Scope.EVERYTHING and _ID.fullmatch(target) else target


class Sellable(Protocol):
    """What earning needs to know of a product."""

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
    """One order line as earning sees it.

    An earner works out what it gives for `base_minor` and `units` as if money paid the whole line. `money_share` is the
    part that money did pay: all that is earned is multiplied by it, whatever the method. A free line costs nothing.
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
        """The purchase of an order line, by the money of it that the program lets earn."""
        net_minor = gross_minor - discount_minor
        share = Fraction(net_minor - points_minor, net_minor) if points_minor else WHOLE
        base_minor = gross_minor if base is EarningBase.GROSS else net_minor
        return cls(line, product, units, base_minor, share, net_minor <= 0)

    @property
    def money_minor(self) -> int:
        """The part of the base that money paid."""
        paid = self.base_minor * self.money_share
        return divide(paid.numerator, paid.denominator)


class Stacking(StrEnum):
    """How an earner gets on with others that cover the same purchase.

    Of the particular ones the most particular counts. It competes with those that are best_of: what gives most counts.
    Those that add come on top of that. An exclusive one counts alone.
    """

    PARTICULAR = "particular"
    BEST_OF = "best_of"
    ADDS = "adds"
    EXCLUSIVE = "exclusive"


class OverCap(StrEnum):
    """What becomes of points past a cap: given as far as it reaches, or not at all."""

    REDUCE = "reduce"
    REFUSE = "refuse"


@dataclass(frozen=True)
class Caps:
    """The most points an earner gives: to a member, to a member in a business day, to all together.

    And, which are the program's limits, in an order and to all in a business day.
    """

    member: int | None = None
    member_day: int | None = None
    budget: int | None = None
    over: OverCap = OverCap.REDUCE
    order: int | None = None
    day: int | None = None

    def within(self, program: Program) -> Self:
        """These caps, and the program's limits."""
        budgets = [budget for budget in (self.budget, program.most_points_in_all) if budget is not None]
        return replace(
            self,
            budget=min(budgets, default=None),
            order=program.most_points_per_order,
            day=program.most_points_per_day,
        )


def within(at: datetime, starts_at: datetime | None, ends_at: datetime | None) -> bool:
    """Whether an instant is in [starts_at, ends_at); None has no end on that side."""
    return (starts_at is None or starts_at <= at) and (ends_at is None or at < ends_at)


@dataclass(frozen=True)
class Earner:
    """`gives` makes exact points of a purchase and of what the rules already give for it; `says` tells it in words.

    An earner `on_top` multiplies or adds to what the rules give; it runs in [starts_at, ends_at). Of equals the higher
    priority comes first, then the more particular scope, then the older. Free lines earn only `when_free`. One that is
    `limited` gives no more than the program's limits.
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
        """As it gives while it runs."""
        return replace(self, caps=self.caps.within(program)) if self.limited else self

    @property
    def rank(self) -> tuple[int, int, UUID]:
        return (-self.priority, _PARTICULAR[self.scope], self.earner_id)


_PARTICULAR = {scope: place for place, scope in enumerate(Scope)}
Covering = Mapping[Scope, Mapping[str, Sequence[Earner]]]


def by_target(earners: Sequence[Earner]) -> Covering:
    """Laid out so that those of a product are found without looking at the others."""
    found: dict[Scope, dict[str, list[Earner]]] = {}
    for earner in earners:
        found.setdefault(earner.scope, {}).setdefault(target_key(earner.scope, earner.target), []).append(earner)
    return found


def covering(earners: Covering, product: Sellable) -> list[Earner]:
    """Those whose scope and target cover the product, whether they run or not."""
    return [earner for scope, targets in earners.items() for earner in targets.get(_target(scope, product), ())]


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
    """What comes on top where what the rules give is raised to so many percent."""
    return lambda _, given: given * (percent - 100) / 100


def per_unit(points: int) -> Callable[[Purchase, Fraction], Fraction]:
    return lambda purchase, _: Fraction(points * purchase.units)
