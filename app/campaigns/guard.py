"""Check rules and offers against the program's limits, which they may exceed if a second administrator approves.

Before a rule or offer starts, its terms and the points that it would have given on recent sales are compared with the
limits. An approval stores the hash of the fields that it covers, so that a changed rule needs a new approval.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from hashlib import sha256
from typing import Any
from uuid import UUID

from app.campaigns import approvals_repository
from app.catalog import service as catalog
from app.db import Session, WriteSession
from app.earning.earners import Scope
from app.earning.lifecycle import Living
from app.earning.rules import Method, Rule
from app.errors import FieldError, NotAllowed
from app.ledger.models import canonical
from app.money import minor_per_unit
from app.program.models import Program
from app.simulation.models import Simulation

_NO_CONTENT = {"stage", "author", "editor", "on_hand", "limited", "expected_times"}


@dataclass(frozen=True)
class Gift:
    """What a rule or offer gives: `percent` of the price, points `per_unit`, or `multiplier` % of the rules' points."""

    percent: Fraction = Fraction()
    multiplier: int = 0
    per_unit: int = 0
    scope: Scope = Scope.EVERYTHING
    target: str = ""


@dataclass(frozen=True)
class Excess:
    """A program's limit that a rule or offer exceeds: the limit's name, the allowed number and the actual number."""

    limit: str
    allowed: int
    figure: int


def gift_of(rule: Rule, program: Program) -> Gift:
    match rule.method:
        case Method.RATE:
            worth = Fraction(rule.amount * program.minor_per_100_points, minor_per_unit(program.currency))
            return Gift(percent=worth)
        case Method.CASH_BACK:
            return Gift(percent=Fraction(rule.amount, 100))
        case Method.FIXED:
            return Gift(per_unit=rule.amount, scope=rule.scope, target=rule.target)
        case Method.MULTIPLIER:
            return Gift(multiplier=rule.amount)


def simulated_excess(simulation: Simulation, program: Program) -> list[Excess]:
    """Return the program's limits that the simulated rule or offer would have exceeded on past sales."""
    gift, largest = simulation.gift, simulation.largest
    percent = -(-100 * gift.minor // gift.paid_minor) if gift.paid_minor else 0
    figures = [
        ("most_percent", program.most_percent, percent),
        ("most_points_per_order", program.most_points_per_order, largest.order_points if largest else 0),
        ("most_points_per_day", program.most_points_per_day, simulation.most_in_a_day),
        ("most_points_in_all", program.most_points_in_all, gift.points),
    ]
    return [
        Excess(limit, allowed, figure) for limit, allowed, figure in figures if allowed is not None and figure > allowed
    ]


def errors(excesses: Iterable[Excess]) -> list[FieldError]:
    """Return one error for each exceeded limit. If several numbers exceed a limit, the error states the largest."""
    largest: dict[str, Excess] = {}
    for excess in excesses:
        if excess.limit not in largest or excess.figure > largest[excess.limit].figure:
            largest[excess.limit] = excess
    return [
        FieldError(excess.limit, "past-limit", f"{excess.figure} is more than {excess.allowed}")
        for excess in largest.values()
    ]


def excess(session: Session, gift: Gift, program: Program) -> list[Excess]:
    """Return the program's limits that a rule or offer exceeds by its terms alone, without a simulation."""
    percent = max(gift.percent, _percent_of_price(session, gift, program))
    figures = [
        Excess("most_percent", program.most_percent, -(-percent.numerator // percent.denominator)),
        Excess("most_multiplier_percent", program.most_multiplier_percent, gift.multiplier),
        Excess("most_points_per_unit", program.most_points_per_unit, gift.per_unit),
    ]
    return [figure for figure in figures if figure.figure > figure.allowed]


def _percent_of_price(session: Session, gift: Gift, program: Program) -> Fraction:
    """Return the worth of the points per unit in percent of the product's price; 0 if the target isn't a product."""
    if not gift.per_unit or gift.scope is not Scope.PRODUCT:
        return Fraction()
    product = catalog.for_sale(session, [UUID(gift.target)]).get(UUID(gift.target))
    if product is None or not product.price_minor:
        return Fraction()
    return Fraction(gift.per_unit * program.minor_per_100_points, product.price_minor)


def fingerprint(subject: Living, content: Mapping[str, Any]) -> str:
    """Return the hash that approvals store: SHA-256, in hex, of a rule's or offer's fields and number of edits."""
    judged_fields = {name: value for name, value in content.items() if name not in _NO_CONTENT}
    return sha256(canonical({**judged_fields, "edits": subject.edits})).hexdigest()


def approve(session: WriteSession, subject: Living, content: Mapping[str, Any], by: UUID | None, at: datetime) -> None:
    """Store that `by` approves a rule or offer. Raises NotAllowed if `by` is None, or is its author or last editor."""
    if by is None or by in (subject.author, subject.editor):
        raise NotAllowed(f"{subject.title} needs the approval of another administrator than who wrote it")
    approvals_repository.approve(session, subject.key, fingerprint(subject, content), by, at)


def approved(session: Session, subject: Living, content: Mapping[str, Any]) -> bool:
    """Return true if an administrator other than the author and the last editor approved exactly this content."""
    approvers = approvals_repository.approvers(session, subject.key, fingerprint(subject, content))
    return any(approver not in (subject.author, subject.editor) for approver in approvers)
