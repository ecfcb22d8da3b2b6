"""Send each event in each state of each machine: it leads to the declared state, or is refused and changes nothing.

Events of the nightly calculation are sent by running it; a state for which the table refuses them must not change.
"""

from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest

from app.accounts import claims
from app.accounts.claims_models import CLAIM, ClaimEvent, ClaimState
from app.discounts import service as discounts
from app.discounts.models import DISCOUNT, DiscountEvent, DiscountState, Mode
from app.errors import RewardsError
from app.ids import new_id
from app.insights.discount_proposals import service as proposals
from app.machines import MACHINES
from app.offers import redemption
from app.offers import renewals as subscriptions
from app.offers import settling as settlement
from app.offers.models import Subscription
from app.offers.subscription_states import SUBSCRIPTION, SubscriptionEvent, SubscriptionState
from app.signing import Role
from app.states import Machine, Refused
from app.vendors import service as vendors
from app.vendors.models import FEED, VENDOR, Application, FeedEvent, FeedState, VendorEvent, VendorState
from app.wallet.models import LotState, RedemptionState
from app.wallet.payments_models import PaymentState
from app.wallet.states import CHARGE, LEADS_TO, LOT, PAYMENT, REDEMPTION, LotEvent, PaymentEvent, RedemptionEvent
from tests.insights.test_discounts import allow, lagging
from tests.shop import Shop

Thing = Callable[[], str]
"""Says the state that it is in."""
Walked = tuple[Thing, dict[StrEnum, Callable[[], object]]]
"""A thing in a state, and for each event what sends it."""

GRACE_DAYS = 3
TABLES = (
    *("subscriptions", "payments", "redemptions", "lots", "lot_draws", "wallets", "postings", "claims", "returns"),
    *(
        "products",
        "product_stock",
        "vendors",
        "feeds",
        "hourly_discounts",
        "discount_switch",
        "offer_stock",
        "cap_usage",
        "journal_revisions",
    ),
)
TO = {event: state for state, event in LEADS_TO.items()}
DECIDED = {True: FeedState.APPLIED, False: FeedState.REFUSED}
LEADS_THERE = {FeedState.APPLIED: FeedEvent.APPLY, FeedState.REFUSED: FeedEvent.REFUSE}


def dump(shop: Shop) -> dict[str, Any]:
    """Return a hash of the rows of each table that an event can change."""
    union = " UNION ALL ".join(f"SELECT '{table}', md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {table} t" for table in TABLES)  # noqa: E501  # fmt: skip
    with shop.db.snapshot() as session:
        return dict(session.connection.execute(union.encode()).fetchall())


def walk(shop: Shop, machine: Machine[Any, Any], bring: Callable[[Shop, Any], Walked], *, by_night: object = ()) -> int:
    """Test all cells of a state machine's table, and return their number."""
    cells = 0
    for event, state, after in machine.cells():
        look, events = bring(shop, state)
        assert look() == state, (machine.name, state)
        before = dump(shop)
        if not isinstance(after, Refused):
            events[event]()
            # Points that come back past their day expire in the same transaction.
            assert look() == after or (after, state, look()) == (LotState.CONFIRMED, LotState.EXPIRED, LotState.EXPIRED)
        elif event in by_night:  # type: ignore[operator]
            events[event]()
            assert look() == state, (machine.name, event, state)
        else:
            refused = events[event]
            with suppress(RewardsError):
                assert not refused(), (machine.name, event, state)
            assert dump(shop) == before, (machine.name, event, state)
        cells += 1
    return cells


def a_charge(shop: Shop, state: PaymentState) -> Walked:
    member_id = shop.member()
    shop.subscribe(member_id, shop.offer(Subscription(price_minor=500, grace_days=GRACE_DAYS)))
    return _payment(shop, member_id, state)


def a_payment(shop: Shop, state: PaymentState) -> Walked:
    member_id = shop.with_points(100)
    shop.cash_back(member_id, 100)
    return _payment(shop, member_id, state)


def _payment(shop: Shop, member_id: Any, state: PaymentState) -> Walked:
    payment_id = shop.payments(member_id)[0].payment_id
    if state is not PaymentState.INSTRUCTED:
        shop.move(payment_id, state)
    look = lambda: next(row.state for row in shop.payments(member_id) if row.payment_id == payment_id)  # noqa: E731
    return look, {event: lambda to=TO[event]: shop.move(payment_id, to) for event in PaymentEvent}  # type: ignore[misc]


def a_redemption(shop: Shop, state: RedemptionState) -> Walked:
    member_id = shop.with_points(100)
    cash = shop.cash_back(member_id, 100)
    payment_id = shop.payments(member_id)[0].payment_id

    def reverse() -> object:
        with shop.db.write() as session:
            return redemption.undo_correction(session, cash.redemption_id, shop.clock)

    events: dict[StrEnum, Callable[[], object]] = {
        RedemptionEvent.FULFIL: lambda: shop.move(payment_id, PaymentState.SETTLED),
        RedemptionEvent.CANCEL: lambda: shop.cancel_redemption(cash),
        RedemptionEvent.FAIL: lambda: shop.move(payment_id, PaymentState.FAILED),
        RedemptionEvent.REVERSE: reverse,
    }
    if state is RedemptionState.FULFILLED:
        events[RedemptionEvent.FULFIL]()
    if state is RedemptionState.CANCELLED:
        events[RedemptionEvent.CANCEL]()

    def look() -> str:
        with shop.db.read() as session:
            return str(session.value("SELECT state FROM redemptions WHERE redemption_id = %s", (cash.redemption_id,)))

    return look, events


def a_claim(shop: Shop, state: ClaimState) -> Walked:
    member_id = shop.member()
    order = shop.order(member_id, (shop.product(), 1)).order.order_id
    with shop.db.write() as session:
        claim_id = claims.claim(session, member_id, order, 1, "A promotion ran", shop.clock).claim_id

    def decide(points: int | None) -> object:
        with shop.db.write() as session:
            return claims.decide(session, claim_id, points, "Because", shop.clock)

    events: dict[StrEnum, Callable[[], object]] = {
        ClaimEvent.ACCEPT: lambda: decide(10),
        ClaimEvent.REFUSE: lambda: decide(None),
    }
    if state is not ClaimState.OPEN:
        decide(10 if state is ClaimState.ACCEPTED else None)

    def look() -> str:
        with shop.db.read() as session:
            return str(session.value("SELECT state FROM claims WHERE claim_id = %s", (claim_id,)))

    return look, events


def a_vendor(shop: Shop, state: VendorState) -> Walked:
    number = f"{new_id().int % 10**9:09}"
    company = Application(f"Company {number}", f"Company {number} Inc.", "US", number, f"a@b{number}.com", "https://b.example", "USD")  # noqa: E501  # fmt: skip
    with shop.db.write() as session:
        vendor_id = vendors.apply(session, company, shop.clock)[0].vendor_id

    def move(to: VendorState, role: Role) -> object:
        with shop.db.write() as session:
            return vendors.move(session, vendor_id, to, ["A reason"], {role}, shop.clock)

    events: dict[StrEnum, Callable[[], object]] = {
        VendorEvent.APPLY: lambda: move(VendorState.APPLIED, Role.ADMIN),
        VendorEvent.APPROVE: lambda: move(VendorState.APPROVED, Role.ADMIN),
        VendorEvent.REJECT: lambda: move(VendorState.REJECTED, Role.ADMIN),
        VendorEvent.ACTIVATE: lambda: move(VendorState.ACTIVE, Role.VENDOR),
        VendorEvent.SUSPEND: lambda: move(VendorState.SUSPENDED, Role.ADMIN),
        VendorEvent.REINSTATE: lambda: move(VendorState.ACTIVE, Role.ADMIN),
    }
    ways = {
        VendorState.APPLIED: [],
        VendorState.REJECTED: [VendorEvent.REJECT],
        VendorState.APPROVED: [VendorEvent.APPROVE],
        VendorState.ACTIVE: [VendorEvent.APPROVE, VendorEvent.ACTIVATE],
        VendorState.SUSPENDED: [VendorEvent.APPROVE, VendorEvent.ACTIVATE, VendorEvent.SUSPEND],
    }
    for event in ways[state]:
        events[event]()

    def look() -> str:
        with shop.db.read() as session:
            return vendors.vendor(session, vendor_id).state

    return look, events


def a_subscription(shop: Shop, state: SubscriptionState) -> Walked:
    """Create a subscription paid with money, bring it to the state, and return functions that send events."""
    member_id = shop.member()
    offer_id = shop.offer(Subscription(price_minor=500, grace_days=GRACE_DAYS), days=10_000)
    begun = shop.subscribe(member_id, offer_id)
    charge = shop.payments(member_id)[0].payment_id

    def look() -> str:
        rows = shop.subscriptions(member_id)
        return next(row.state for row in rows if row.subscription_id == begun.subscription_id)

    def settle() -> object:
        with shop.db.write() as session:
            return subscriptions.settled(session, begun.subscription_id, shop.clock)

    def erase() -> None:
        with shop.db.write() as session:
            settlement.end_all(session, member_id, shop.clock)

    def night_after(days: int) -> None:
        shop.tomorrow(days)
        shop.night()

    match state:
        case SubscriptionState.WAITING:
            shop.cancel(begun)
            begun = shop.subscribe(member_id, offer_id)
        case SubscriptionState.ACTIVE | SubscriptionState.CANCELLED:
            shop.move(charge, PaymentState.SETTLED)
            if state is SubscriptionState.CANCELLED:
                shop.cancel(begun)
        case SubscriptionState.LAPSED:
            night_after(GRACE_DAYS)
        case SubscriptionState.ENDED:
            shop.cancel(begun)
        case _:
            pass
    paid = shop.subscriptions(member_id)[-1].paid_until
    to_its_end = max((paid - shop.clock.now().date()).days, 1)
    events: dict[StrEnum, Callable[[], object]] = {
        SubscriptionEvent.PAY: settle,
        SubscriptionEvent.CANCEL: lambda: shop.cancel(begun),
        SubscriptionEvent.RESUME: lambda: _resume(shop, begun),
        SubscriptionEvent.ERASE: erase,
        SubscriptionEvent.AWAIT_PAYMENT: lambda: night_after(to_its_end),
        SubscriptionEvent.GIVE_UP: lambda: night_after(to_its_end + GRACE_DAYS),
        SubscriptionEvent.USE_UP: lambda: night_after(to_its_end),
    }
    return look, events


def _resume(shop: Shop, begun: Any) -> object:
    over = [row.state for row in shop.subscriptions(begun.member_id) if row.subscription_id == begun.subscription_id]
    if over[0] in (SubscriptionState.LAPSED, SubscriptionState.ENDED):
        SUBSCRIPTION.move(over[0], SubscriptionEvent.RESUME)
    return shop.subscribe(begun.member_id, begun.offer_id)


def a_lot(shop: Shop, state: LotState) -> Walked:
    """Create a lot of 100 points for two units, bring it to the state, and return functions that send events."""
    member_id, seller = shop.member(), shop.vendor()
    placed = shop.order(member_id, (shop.product(seller, price_minor=1_000, return_window_days=2), 2))
    lot_id = placed.lots[0].lot_id
    spent: list[Any] = []

    def look() -> str:
        return next(lot.state for lot in shop.lots(member_id) if lot.lot_id == lot_id)

    def spend(points: int) -> None:
        spent.append(shop.cash_back(member_id, points))

    def night_after(days: int) -> None:
        shop.tomorrow(days)
        shop.night()

    def give_back() -> object:
        if state is LotState.CONFIRMED:
            spend(10)
        return shop.cancel_redemption(spent[0]) if spent else False

    if state in (LotState.CONFIRMED, LotState.SPENT, LotState.EXPIRED, LotState.CLAWED_BACK):
        night_after(2)
    match state:
        case LotState.EXPIRED:
            spend(10)
            night_after(5)
        case LotState.SPENT:
            spend(100)
        case LotState.REMOVED | LotState.CLAWED_BACK:
            shop.give_back(placed, 2, vendor_id=seller)
        case _:
            pass
    events: dict[StrEnum, Callable[[], object]] = {
        LotEvent.MATURE: lambda: night_after(2),
        LotEvent.SPEND_PART: lambda: spend(10),
        LotEvent.SPEND_REST: lambda: spend(100),
        LotEvent.GIVE_BACK: give_back,
        LotEvent.EXPIRE: lambda: night_after(1 if state is LotState.PENDING else 5),
        LotEvent.RETURN_PART: lambda: shop.give_back(placed, 1, vendor_id=seller),
        LotEvent.RETURN_REST: lambda: shop.give_back(placed, 2, vendor_id=seller),
    }
    return look, events


def test_charges_payments_redemptions_claims_and_vendors_move_as_their_tables_say(shop: Shop) -> None:
    walked = {
        CHARGE.name: walk(shop, CHARGE, a_charge),
        PAYMENT.name: walk(shop, PAYMENT, a_payment),
        REDEMPTION.name: walk(shop, REDEMPTION, a_redemption),
        CLAIM.name: walk(shop, CLAIM, a_claim),
        VENDOR.name: walk(shop, VENDOR, a_vendor),
    }
    assert walked == {"charge": 25, "payment": 25, "redemption": 12, "claim": 6, "vendor": 30}
    assert shop.disagreements() == []


BY_NIGHT = {SubscriptionEvent.AWAIT_PAYMENT, SubscriptionEvent.GIVE_UP, SubscriptionEvent.USE_UP}


@pytest.mark.parametrize("event", sorted({*SubscriptionEvent} - BY_NIGHT - {SubscriptionEvent.END_WITH_OFFER}))
def test_subscriptions_move_as_their_table_says(shop: Shop, event: SubscriptionEvent) -> None:
    row = Machine(SUBSCRIPTION.name, SubscriptionState, SubscriptionEvent, (), {event: SUBSCRIPTION.table[event]})
    assert walk(shop, row, a_subscription) == len(SubscriptionState)


@pytest.mark.parametrize("state", SubscriptionState)
@pytest.mark.parametrize("event", sorted(BY_NIGHT))
def test_nights_move_subscriptions_as_their_table_says(
    shop: Shop, event: SubscriptionEvent, state: SubscriptionState
) -> None:
    """If the table refuses the event in a state, another event of the nightly calculation may apply to it."""
    look, events = a_subscription(shop, state)
    after = SUBSCRIPTION.table[event][state]
    events[event]()
    if isinstance(after, Refused):
        by_another = {SUBSCRIPTION.table[other][state] for other in BY_NIGHT} - {after}
        assert look() in {state, *by_another}
    elif (event, state) != (SubscriptionEvent.GIVE_UP, SubscriptionState.ACTIVE):  # by way of grace
        assert look() == after
    else:
        assert look() == SubscriptionState.LAPSED


def test_lots_move_as_their_table_says(shop: Shop) -> None:
    shop.program(expire_after_days=5)
    assert walk(shop, LOT, a_lot, by_night={LotEvent.MATURE, LotEvent.EXPIRE}) == 42
    assert shop.disagreements() == []


def test_discounts_move_as_their_table_says(shop: Shop) -> None:
    cells = 0
    for event, state, after in DISCOUNT.cells():
        seller = shop.vendor()
        allow(shop, seller, lagging(shop, seller, 40), Mode.ASK)
        with shop.db.write() as session:
            proposed = proposals.propose(session, shop.clock)
        discount = next(
            row for row in proposed if (row.state is DiscountState.CONTROL) == (state is DiscountState.CONTROL)
        )

        def send(event: DiscountEvent, seller: Any = seller, discount: Any = discount) -> object:
            with shop.db.write() as session:
                if event is DiscountEvent.STOP:
                    return discounts.switch(session, shop.clock, stopped=True)
                approve = event is DiscountEvent.APPROVE
                return discounts.decide(session, seller, discount.discount_id, shop.clock, approve=approve)

        def look(discount: Any = discount) -> str:
            with shop.db.read() as session:
                sql = "SELECT state FROM hourly_discounts WHERE discount_id = %s"
                return str(session.value(sql, (discount.discount_id,)))

        ways = {
            DiscountState.APPROVED: DiscountEvent.APPROVE,
            DiscountState.DECLINED: DiscountEvent.DECLINE,
            DiscountState.STOPPED: DiscountEvent.STOP,
        }
        if state in ways:
            send(ways[state])
        assert look() == state
        if isinstance(after, Refused) and event is not DiscountEvent.STOP:
            before = dump(shop)
            with pytest.raises(RewardsError):
                send(event)
            assert dump(shop) == before
        else:
            send(event)
        assert look() == (state if isinstance(after, Refused) else after)
        with shop.db.write() as session:
            discounts.switch(session, shop.clock, stopped=False)
        shop.tomorrow()
        cells += 1
    assert cells == 15


def test_feeds_move_as_their_table_says(shop: Shop, caller: Callable[[Role, UUID], Any]) -> None:
    """A feed is identified by its request's Idempotency-Key: a repeated request gets the first one's response."""
    cells = 0
    for event, state, after in FEED.cells():
        seller, key = shop.vendor(), str(new_id())
        api = caller(Role.VENDOR, seller)

        def send(event: FeedEvent, api: Any = api, seller: UUID = seller, key: str = key) -> Any:
            price = "1.00" if event is FeedEvent.APPLY else "dear"
            content = f"sku,name,brand,department,category,price,stock\nA-1,Thing,B,D,C,{price},10\n"
            headers = {**api.headers, "Idempotency-Key": key, "Content-Type": "text/csv"}
            return api.client.post(f"/vendors/{seller}/feeds", content=content, headers=headers)

        def look(api: Any = api, seller: UUID = seller) -> FeedState:
            """Return the feed's state; a feed that is still being read is not stored yet."""
            kept = api.get(f"/vendors/{seller}/feeds").json()["feeds"]
            return FeedState(DECIDED[kept[0]["applied"]] if kept else FeedState.RECEIVED)

        decided = send(LEADS_THERE[state]) if state in LEADS_THERE else None
        assert look() == state
        before = dump(shop)
        answer = send(event)
        if isinstance(after, Refused):
            assert dump(shop) == before
            assert decided
            assert (answer.status_code, answer.text) == (201, decided.text) or answer.status_code == 422
        assert look() == (state if isinstance(after, Refused) else after)
        cells += 1
    assert cells == 6


def test_all_machines_have_so_many_cells() -> None:
    assert {machine.name for machine in MACHINES} >= {"subscription", "charge", "payment", "redemption", "lot", "claim"}
    cells = {machine.name: len(list(machine.cells())) for machine in MACHINES}
    print(sum(cells.values()), "cells:", cells)
    assert sum(cells.values()) >= 311
