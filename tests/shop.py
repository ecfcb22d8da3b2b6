"""A shop for tests: creates vendors, products, members and orders through the platform's services."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Protocol
from uuid import UUID

from app import logins
from app.accounts import corrections
from app.accounts.corrections_models import Correction, CorrectionDraft
from app.campaigns import life
from app.campaigns.life import Deed
from app.campaigns.offers import OFFERS
from app.campaigns.rules import RULES
from app.catalog import categories, product_changes
from app.catalog import service as catalog
from app.catalog.models import ProductChange
from app.catalog.return_terms import ReturnReason
from app.db import Database
from app.earning.earners import Scope
from app.earning.rules import Method, Rule
from app.ids import new_id
from app.members import service as members
from app.members.models import Member
from app.night import reconcile
from app.night import service as nightly
from app.night.models import NightlyReport
from app.offers import outlook, redemption, subscriptions
from app.offers import settling as settlement
from app.offers.models import Offer, Subscribed, Terms
from app.orders import placing
from app.orders import service as orders
from app.orders.models import LineDraft, OrderDraft, Placed, Return
from app.program import service as programs
from app.program.models import Program
from app.vendors import service as vendors
from app.wallet import payments
from app.wallet.models import Lot, Redemption
from app.wallet.payments_models import Payment, PaymentState

AUTHOR, APPROVER = UUID(int=71), UUID(int=72)
"""Two administrators."""
_TABLES = (
    "corrections",
    "orders",
    "order_lines",
    "returns",
    "lots",
    "wallets",
    "postings",
    "redemptions",
    "lot_draws",
    "journal_revisions",
    "idempotency_keys",
    "subscriptions",
    "nightly_runs",
)


class MovingClock(Protocol):
    instant: datetime

    def now(self) -> datetime: ...
    def advance(self, **by: float) -> None: ...


@dataclass
class Shop:
    """Methods that create and change a shop's data, each in a transaction. By default, prices earn 5 points a unit.

    With `opened`, the work of AWS functions is done with their own logins, otherwise with that of `db`.
    """

    db: Database
    clock: MovingClock
    opened: Callable[[str], Database] | None = None
    _numbers: Any = None

    def __post_init__(self) -> None:
        self._numbers = count(1)

    def vendor(self) -> UUID:
        vendor_id = new_id()
        with self.db.write() as session:
            vendors.onboard_all(session, {vendor_id: f"Vendor {next(self._numbers)}"}, self.clock)
        return vendor_id

    def product(self, vendor_id: UUID | None = None, **fields: Any) -> UUID:
        seller = vendor_id or self.vendor()
        default = {"name": "A thing", "brand": "Millrace", "department": "GROCERY", "category": "COOKIES"}
        terms = {"sku": f"SKU-{next(self._numbers)}", "price_minor": 100, "stock": 1_000_000, **default, **fields}
        with self.db.write() as session:
            product_changes.load(session, {seller: [ProductChange(**terms)]}, self.clock)
        return catalog.product_id_of(seller, terms["sku"])

    def change(self, vendor_id: UUID, product_id: UUID, **changes: Any) -> None:
        with self.db.write() as session:
            product_changes.change(session, vendor_id, product_id, changes, self.clock)

    def category(self, product_id: UUID, **changes: Any) -> None:
        """Change the category of a product; `changes` are return terms."""
        with self.db.write() as session:
            category_id = catalog.product(session, product_id).category_id
            categories.change_category(session, category_id, changes)

    def on_hand(self, product_id: UUID) -> int:
        with self.db.read() as session:
            return catalog.product(session, product_id).on_hand

    def member(self) -> UUID:
        return self.members(1)[0]

    def members(self, how_many: int) -> list[UUID]:
        people = [Member(new_id(), "A member", None, None, None, self.clock.now()) for _ in range(how_many)]
        with self.db.write() as session:
            members.join_all(session, people)
        return [member.member_id for member in people]

    def order(
        self,
        member_id: UUID,
        *lines: tuple[UUID, int],
        pay_points: int = 0,
        voucher: str | None = None,
        area: str | None = None,
    ) -> Placed:
        draft = OrderDraft(tuple(LineDraft(*line) for line in lines), pay_points, area=area, voucher=voucher)
        with self.db.write() as session:
            return placing.place(session, member_id, draft, self.clock)

    def look(self, placed: Placed) -> Placed:
        with self.db.read() as session:
            return orders.order(session, placed.order.order_id, placed.order.member_id)

    def give_back(
        self,
        placed: Placed,
        units: int,
        line: int = 1,
        vendor_id: UUID | None = None,
        reason_code: ReturnReason | None = None,
    ) -> Return:
        order = placed.order
        with self.db.write() as session:
            return orders.give_back(
                *(session, order.order_id, line, units, "A reason", self.clock),
                reason_code=reason_code,
                member_id=None if vendor_id else order.member_id,
                vendor_id=vendor_id,
            )

    def under(self, login: str) -> Database:
        return self.opened(login) if self.opened else self.db

    def night(self, on: date | None = None) -> NightlyReport:
        return nightly.run(self.under(logins.CALCULATING), self.clock, on)

    def tomorrow(self, days: int = 1) -> None:
        self.clock.advance(days=days)

    def with_points(self, points: int, *, member_id: UUID | None = None) -> UUID:
        """Return a member with that many available points, from a purchase of today."""
        holder = member_id or self.member()
        self.order(holder, (self.product(price_minor=20 * points, return_window_days=0), 1))
        self.night()
        return holder

    def cash_back(self, member_id: UUID, points: int) -> Redemption:
        with self.db.write() as session:
            return redemption.cash_back(session, member_id, points, self.clock)

    def cancel_redemption(self, redeemed: Redemption) -> Redemption:
        with self.db.write() as session:
            return redemption.cancel(session, redeemed.redemption_id, self.clock, redeemed.member_id)

    def wallet(self, member_id: UUID) -> tuple[int, int]:
        """Return the member's pending and available points."""
        with self.db.read() as session:
            held = outlook.wallet(session, member_id, self.clock)
        return held.pending, held.available

    def lots(self, member_id: UUID) -> list[Lot]:
        """Return the member's points lots, oldest first; those of one order are sorted by line."""
        with self.db.read() as session:
            lots = outlook.lots(session, member_id, self.clock, None, 1000)
        return sorted(lots, key=lambda lot: (lot.order_id or lot.lot_id, lot.line or 0, lot.lot_id))

    def program(self, **changes: Any) -> Program:
        with self.db.write() as session:
            changed = replace(programs.program(session), **changes)
            programs.change(session, changed, self.clock)
        return changed

    def rule(
        self,
        amount: int,
        method: Method = Method.RATE,
        scope: Scope = Scope.EVERYTHING,
        target: object = "",
        **fields: Any,
    ) -> Rule:
        """Add an earning rule that runs from now on for ten years."""
        now = self.clock.now()
        dates = {"starts_at": now, "ends_at": now + timedelta(days=3650)}
        rule = Rule(new_id(), f"{scope} {method} {amount}", scope, str(target), method, amount, **{**dates, **fields})
        with self.db.write() as session:
            return life.add(session, RULES, rule, Deed(None, "", self.clock))

    def offer(self, terms: Terms, on_hand: int | None = None, days: int = 365, **fields: Any) -> UUID:
        """Add an offer that runs from now on, unless `fields` say otherwise."""
        now = self.clock.now()
        offer = replace(Offer(new_id(), "An offer", "", now, now + timedelta(days=days), terms, on_hand), **fields)
        with self.db.write() as session:
            return life.add(session, OFFERS, offer, Deed(None, "", self.clock)).offer_id

    def subscribe(self, member_id: UUID, offer_id: UUID) -> Subscribed:
        with self.db.write() as session:
            return subscriptions.subscribe(session, member_id, offer_id, self.clock)

    def cancel(self, subscribed: Subscribed) -> Subscribed:
        with self.db.write() as session:
            return subscriptions.cancel(session, subscribed.member_id, subscribed.subscription_id, self.clock)

    def subscriptions(self, member_id: UUID) -> list[Subscribed]:
        with self.db.read() as session:
            return subscriptions.subscriptions(session, member_id, None, 100)

    def balance(self, account: str) -> int:
        """Return the sum of an account's postings, over all owners of such an account."""
        with self.db.read() as session:
            return int(
                session.value("SELECT coalesce(sum(points), 0)::bigint FROM postings WHERE account = %s", (account,))
            )

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each table that the tested operations can change."""
        union = " UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in _TABLES)
        with self.db.snapshot() as session:
            return dict(session.connection.execute(union.encode()).fetchall())

    def disagreements(self) -> list[str]:
        """Return the first difference between points lots, wallets, postings and ledger, or an empty list."""
        difference = reconcile.run(self.under(logins.CALCULATING), self.clock).difference
        return [difference] if difference else []

    def quote(
        self,
        member_id: UUID,
        *lines: tuple[UUID, int],
        pay_points: int = 0,
        voucher: str | None = None,
        area: str | None = None,
    ) -> Placed:
        draft = OrderDraft(tuple(LineDraft(*line) for line in lines), pay_points, area=area, voucher=voucher)
        with self.db.snapshot() as session:
            return placing.quote(session, member_id, draft, self.clock)

    def correct(self, member_id: UUID, points: int, author: UUID = AUTHOR) -> Correction:
        draft = CorrectionDraft(member_id, points, "A reason", "Ticket 1")
        with self.db.write() as session:
            return corrections.propose(session, draft, author, self.clock)

    def approve(self, correction: Correction, approver: UUID = APPROVER) -> Correction:
        with self.db.write() as session:
            return corrections.approve(session, correction.correction_id, approver, self.clock)

    def reverse(self, correction: Correction, closer: UUID = AUTHOR) -> Correction:
        with self.db.write() as session:
            return corrections.reverse(session, correction.correction_id, closer, "A mistake", self.clock)

    def move(self, payment_id: UUID, to: PaymentState) -> Payment:
        with self.db.write() as session:
            return settlement.move(session, payment_id, to, self.clock)

    def payments(self, member_id: UUID) -> list[Payment]:
        """Return the member's payments, newest first."""
        with self.db.read() as session:
            return payments.of_member(session, member_id, None, 100)
