"""The rules and offers, besides the simulated one, that gave points for past purchases."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID

from app.db import Session
from app.earning import service as earning_rules
from app.earning.caps import counted
from app.earning.earners import Covering, Earner, by_target, covering
from app.earning.lifecycle import Living, Stage
from app.earning.rules import Rule
from app.ledger import service as ledger
from app.money import minor_per_unit
from app.offers import service as offers
from app.offers.models import Offer, Subscription, Voucher
from app.orders.models import Bought, Sold
from app.program.models import Program
from app.wallet import service as wallets

Span = tuple[datetime, datetime]
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_BEGINNINGS = ("add", "copy")


@dataclass
class Others:
    """All rules and offers except the simulated one; `spans` has the periods in which each ran.

    `own` holds vouchers and subscriptions by id; each applies only to orders for which it gave points. `vouchers` holds
    the ids of all vouchers.
    """

    for_all: Covering = field(default_factory=dict)
    own: Mapping[UUID, Earner] = field(default_factory=dict)
    spans: Mapping[UUID, Sequence[Span]] = field(default_factory=dict)
    vouchers: frozenset[UUID] = frozenset()
    names: Mapping[UUID, str] = field(default_factory=dict)
    _own_by_order: Mapping[UUID, Covering] = field(default_factory=dict)
    _with_voucher: frozenset[UUID] = frozenset()

    @classmethod
    def read(cls, session: Session, program: Program, without: UUID) -> Self:
        """Return all rules and offers except the one with the id `without`."""
        rules, every_offer = earning_rules.every_rule(session), offers.earning(session)
        for_all, own = _earners(rules, every_offer, program)
        others = [earner for earner in for_all if earner.earner_id != without]
        other_own = {earner_id: earner for earner_id, earner in own.items() if earner_id != without}
        vouchers = frozenset(offer.offer_id for offer in every_offer if isinstance(offer.terms, Voucher))
        spans = _spans(session, "earning_rules", rules) | _spans(session, "offers", every_offer)
        names = {earner.earner_id: earner.name for earner in [*for_all, *own.values()]}
        return cls(by_target(others), other_own, spans, vouchers, names)

    @property
    def capped(self) -> bool:
        """Whether any of these rules and offers has a cap: its points then depend on earlier purchases."""
        for_all = [earner for targets in self.for_all.values() for earners in targets.values() for earner in earners]
        return any(counted(earner) for earner in [*for_all, *self.own.values()])

    def look_at(self, session: Session, orders: Sequence[Bought]) -> None:
        """Read which vouchers and subscriptions gave points for these orders; required before `earners`."""
        if not self.own:
            return
        earned = wallets.earned_under(session, [order.order_id for order in orders], list(self.own))
        self._own_by_order = {order: by_target([self.own[earner] for earner in ids]) for order, ids in earned.items()}
        self._with_voucher = frozenset(order for order, ids in earned.items() if self.vouchers & ids)

    def earners(self, order: Bought, line: Sold) -> list[Earner]:
        """Return the other rules and offers that applied to an order line at its purchase. Call `look_at` first."""
        at = order.placed_at
        for_all = [earner for earner in covering(self.for_all, line) if earner.runs(at) and self._started(earner, at)]
        own = self._own_by_order.get(order.order_id)
        return for_all + covering(own, line) if own else for_all

    def names_voucher(self, order: Bought) -> bool:
        return order.order_id in self._with_voucher

    def _started(self, earner: Earner, at: datetime) -> bool:
        return any(begin <= at < end for begin, end in self.spans.get(earner.earner_id, ()))


def _earners(
    rules: Sequence[Rule], every_offer: Sequence[Offer], program: Program
) -> tuple[list[Earner], dict[UUID, Earner]]:
    """Return the rules and offers for all members, then vouchers and subscriptions by offer id; drafts are left out."""
    unit = minor_per_unit(program.currency)
    started_rules = [rule for rule in rules if rule.stage is not Stage.DRAFT]
    for_all = [rule.earner(program.minor_per_100_points, unit) for rule in started_rules]
    own: dict[UUID, Earner] = {}
    for offer in every_offer:
        earner = offers.earner(offer)
        if offer.stage is Stage.DRAFT or earner is None:
            continue
        if isinstance(offer.terms, Subscription | Voucher):
            own[offer.offer_id] = earner.within_limits(program)
        else:
            for_all.append(earner)
    return [earner.within_limits(program) for earner in for_all], own


def _spans(session: Session, table: str, subjects: Sequence[Living]) -> dict[UUID, list[Span]]:
    histories = ledger.histories(session, table, [subject.key for subject in subjects])
    return {subject.key: started(subject.stage, histories.get(str(subject.key), [])) for subject in subjects}


def started(stage: Stage, revisions: Iterable[Mapping[str, Any] | None]) -> list[Span]:
    """Return the times in which a rule or offer ran, from its ledger revisions, or from its stage if it has none.

    If the first revision records neither an addition nor a copy, a database migration stored the revision; the rule or
    offer then counts as running from the beginning of time.
    """
    recorded = [revision for revision in revisions if revision]
    if not recorded:
        return [_EVER] if stage is Stage.STARTED else []
    spans: list[Span] = []
    started_at = None if recorded[0].get("event", "add") in _BEGINNINGS else _EVER[0]
    for revision in recorded:
        at = datetime.fromisoformat(revision["at"]) if "at" in revision else _EVER[0]
        starts = revision.get("stage", Stage.STARTED) == Stage.STARTED
        if starts and started_at is None:
            started_at = at
        elif not starts and started_at is not None:
            spans.append((started_at, at))
            started_at = None
    return spans if started_at is None else [*spans, (started_at, _EVER[1])]
