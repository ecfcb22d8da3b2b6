"""The terms that decide what a purchase earns: the program, rules, offers and subscriptions.

Rules and offers change rarely and are read with every order, so each process caches them with a version number.
Database triggers change the number in each transaction that changes a rule, an offer or the program.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from app.catalog.models import Earning
from app.clock import Clock, local_date
from app.db import Session
from app.earning import calculation as earning
from app.earning import service as earning_rules
from app.earning.earners import Covering, Earner, Purchase, Sellable, by_target, covering
from app.earning.lifecycle import Stage
from app.money import MOST_POINTS, minor_per_unit
from app.offers import outlook as outlooks
from app.offers import service as offers
from app.offers.subscription_states import SubscriptionState
from app.program import service as programs
from app.program.models import Program


@dataclass(frozen=True)
class _Book:
    program: Program
    for_all: Covering
    by_offer: Mapping[UUID, Earner]


@dataclass(frozen=True)
class Terms:
    """The program, rules, offers and subscriptions that decide what some members' purchases earn.

    `for_all` holds the rules and offers that apply to all members, by scope and target. `subscribed` holds the offers
    to which each member subscribed, with the first day without benefits. `version` changes with the program, rules,
    offers and hourly discounts.
    """

    version: str
    program: Program
    for_all: Covering
    subscribed: Mapping[UUID, Sequence[tuple[Earner, date]]]

    def covering(
        self, product: Sellable, at: datetime, today: date, member_id: UUID | None = None, voucher: Earner | None = None
    ) -> list[Earner]:
        """Return the running rules and offers that cover a product, with the member's subscriptions and `voucher`."""
        own = [earner for earner, until in self.subscribed.get(member_id, ()) if today < until] if member_id else []
        if voucher:
            own.append(voucher)
        earners = covering(self.for_all, product)
        if own:
            earners += covering(by_target(own), product)
        return [earner for earner in earners if earner.runs(at)]


def read(session: Session, member_ids: Sequence[UUID] = ()) -> Terms:
    """Return the program, rules, offers and subscriptions that decide what purchases of these members earn."""
    return ask(session, member_ids)()


def ask(session: Session, member_ids: Sequence[UUID]) -> Callable[[], Terms]:
    """Send the query that `read` needs, and return a function that waits for its answer and returns the terms."""
    subscribed = offers.ask_subscribed(session, member_ids)
    return lambda: _read(session, *subscribed())


def foreseen(session: Session, member_id: UUID, at: datetime) -> Terms:
    """Return the terms for a member's purchase at an instant, as if subscriptions due by then had renewed already."""
    version, subscribed = offers.subscribed(session, [member_id])
    outlook = outlooks.read(session, member_id, at)
    until = dict(subscribed.get(member_id, ()))
    for renewed in outlook.subscribed() if outlook else ():
        if renewed.state is SubscriptionState.ACTIVE:
            until[renewed.offer_id] = max(until.get(renewed.offer_id, date.min), renewed.paid_until)
    return _read(session, version, {member_id: list(until.items())})


def _read(session: Session, version: str, subscribed: Mapping[UUID, Sequence[tuple[UUID, date]]]) -> Terms:
    book = session.remembered("terms", version, lambda: _book(session))
    own = {
        member_id: [(book.by_offer[offer_id], until) for offer_id, until in paid]
        for member_id, paid in subscribed.items()
    }
    return Terms(version, book.program, book.for_all, own)


def _book(session: Session) -> _Book:
    program = programs.program(session)
    unit = minor_per_unit(program.currency)
    started = [rule for rule in earning_rules.every_rule(session) if rule.stage is Stage.STARTED]
    rules = [rule.earner(program.minor_per_100_points, unit) for rule in started]
    for_all, by_offer = offers.earners(session)
    limited = {offer_id: earner.within_limits(program) for offer_id, earner in by_offer.items()}
    return _Book(program, by_target([earner.within_limits(program) for earner in [*rules, *for_all]]), limited)


def earnings(session: Session, products: Sequence[Sellable], clock: Clock) -> dict[UUID, Earning]:
    """Return, by product id, what one unit earns any member now, before caps; products without points are left out."""
    now, terms = clock.now(), read(session)
    today = local_date(now, terms.program.zone)
    by_product = {}
    for product in products:
        purchase = Purchase.of(1, product, 1, gross_minor=product.price_minor)
        grants = earning.grants(purchase, terms.covering(product, now, today))
        if points := min(MOST_POINTS, sum(grant.points for grant in grants)):
            by_product[product.product_id] = Earning(
                points, earning.matures_on(today, product), " + ".join(grant.earner.name for grant in grants)
            )
    return by_product
