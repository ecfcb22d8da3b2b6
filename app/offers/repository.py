"""SQL of offers, their stock, and subscriptions."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.db import Session, WriteSession
from app.earning.lifecycle import STATE_SQL, Stage, State
from app.offers.models import Announced, Offer, Subscribed
from app.offers.subscription_states import SubscriptionState

_OFFER = """o.offer_id, o.name, o.description, o.starts_at, o.ends_at, o.terms, s.on_hand, o.stage, o.author, o.editor,
            o.edits, o.limited, o.expected_times FROM offers o LEFT JOIN offer_stock s USING (offer_id)"""
_SUBSCRIBED = "subscription_id, member_id, offer_id, state, started_on, paid_until, due_on"


def insert(session: WriteSession, offer: Offer) -> None:
    session.run(
        """INSERT INTO offers (offer_id, kind, name, description, starts_at, ends_at, terms, stage, author, editor,
                   edits, limited, expected_times)
           VALUES (%(offer_id)s, %(kind)s, %(name)s, %(description)s, %(starts_at)s, %(ends_at)s, %(terms)s, %(stage)s,
                   %(author)s, %(editor)s, %(edits)s, %(limited)s, %(expected_times)s)""",
        _columns(offer),
    )
    if offer.on_hand is not None:
        session.run("INSERT INTO offer_stock (offer_id, on_hand) VALUES (%s, %s)", (offer.offer_id, offer.on_hand))


def _columns(offer: Offer) -> dict[str, Any]:
    return {**offer.__dict__, "kind": offer.terms.kind, "terms": Jsonb(offer.terms.model_dump(mode="json"))}


def write(session: WriteSession, offer: Offer, expected: Stage) -> int:
    """Update an offer, except its stock, if its stored stage is `expected`; return the number of rows updated."""
    return session.count(
        """UPDATE offers SET kind = %(kind)s, name = %(name)s, description = %(description)s, starts_at = %(starts_at)s,
                  ends_at = %(ends_at)s, terms = %(terms)s, stage = %(stage)s, editor = %(editor)s, edits = %(edits)s,
                  limited = %(limited)s, expected_times = %(expected_times)s
           WHERE offer_id = %(offer_id)s AND stage = %(expected)s""",
        {**_columns(offer), "expected": expected},
    )


def lock_offer(session: WriteSession, offer_id: UUID) -> Offer | None:
    return session.one(Offer, f"SELECT {_OFFER} WHERE o.offer_id = %s FOR NO KEY UPDATE OF o", (offer_id,))


def offer(session: Session, offer_id: UUID) -> Offer | None:
    return session.one(Offer, f"SELECT {_OFFER} WHERE o.offer_id = %s", (offer_id,))


def voucher(session: Session, code: str) -> Offer | None:
    """Return the voucher with this code if it is started or paused, else None."""
    return session.one(
        Offer,
        f"""SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.terms ->> 'code' = %s
            AND o.stage IN ('started', 'paused')""",
        (code,),
    )


def vouchers(session: Session, offer_ids: Collection[UUID]) -> list[Offer]:
    """Return those of the offers that are vouchers, in any state. Other ids are ignored."""
    return session.all(Offer, f"SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.offer_id = ANY(%s)", (list(offer_ids),))


def lock_voucher(session: WriteSession, code: str) -> Offer | None:
    """Lock and return the voucher with this code if it is started or paused, else return None."""
    return session.one(
        Offer,
        f"""SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.terms ->> 'code' = %s
            AND o.stage IN ('started', 'paused') FOR NO KEY UPDATE OF o""",
        (code,),
    )


def running(session: Session, at: datetime, after: UUID | None, limit: int) -> list[Offer]:
    """Return running offers in order of id, without vouchers: members must know a voucher's code to use it."""
    return session.all(
        Offer,
        f"""SELECT {_OFFER} WHERE o.stage = 'started' AND o.starts_at <= %(at)s AND o.ends_at > %(at)s
            AND o.kind <> 'voucher' {"AND o.offer_id > %(after)s" if after else ""}
            ORDER BY o.offer_id LIMIT %(limit)s""",
        {"at": at, "after": after, "limit": limit},
    )


def offers(session: Session, state: State | None, at: datetime, after: UUID | None, limit: int) -> list[Offer]:
    """Return offers in order of id; if `state` is given, only offers in that state at the instant `at`."""
    return session.all(
        Offer,
        f"""SELECT {_OFFER} WHERE (%(state)s::text IS NULL OR %(state)s = {STATE_SQL})
            {"AND o.offer_id > %(after)s" if after else ""} ORDER BY o.offer_id LIMIT %(limit)s""",
        {"state": state, "at": at, "after": after, "limit": limit},
    )


def of_kinds(session: Session, kinds: Sequence[str]) -> list[Offer]:
    return session.all(Offer, f"SELECT {_OFFER} WHERE o.kind = ANY(%s) ORDER BY o.offer_id", (list(kinds),))


def announced(session: Session, since: datetime, until: datetime) -> list[Announced]:
    """Return the started promotions that begin in [since, until) and say how many orders they are expected to bring."""
    return session.all(
        Announced,
        """SELECT offer_id, starts_at, ends_at, expected_times FROM announced_promotions
           WHERE starts_at >= %s AND starts_at < %s ORDER BY offer_id""",
        (since, until),
    )


def ask_subscribed(session: Session, member_ids: Sequence[UUID]) -> Callable[[], list[tuple[Any, ...]]]:
    """Send a query for when members' subscriptions stop giving points; return a function that waits for its rows.

    A row is (version of the earning terms, member, offer, first day without benefits). Without subscriptions the only
    row is (version, None, None, None). Benefits end with the paid period. Days of grace follow it if a payment is
    awaited, or if the subscription is active and its offer still runs when the paid period ends.
    """
    return session.ask(
        """SELECT g.version, u.member_id, u.offer_id,
                  max(CASE WHEN u.state = 'grace'
                             OR u.state = 'active' AND u.paid_until::timestamp AT TIME ZONE g.time_zone < o.ends_at
                           THEN u.paid_until + (o.terms ->> 'grace_days')::int ELSE u.paid_until END)
           FROM program_terms g
           LEFT JOIN (subscriptions u JOIN offers o USING (offer_id))
                ON u.member_id = ANY(%s) AND u.state IN ('active', 'grace', 'cancelled')
           GROUP BY g.version, u.member_id, u.offer_id""",
        (list(member_ids),),
    )


def in_segment(session: Session, member_id: UUID, income_bands: Sequence[str], marital_status: str | None) -> bool:
    """Return whether the member consented to segments, and has one of the income bands and the marital status.

    An empty list of bands, or None as the status, excludes nobody.
    """
    return bool(
        session.value(
            """SELECT EXISTS (
                   SELECT FROM consenting_members WHERE member_id = %(member)s
                   AND (%(bands)s::text[] = '{}' OR income_band = ANY(%(bands)s))
                   AND (%(status)s::text IS NULL OR marital_status = %(status)s))""",
            {"member": member_id, "bands": list(income_bands), "status": marital_status},
        )
    )


def take_stock(session: WriteSession, offer_id: UUID, units: int) -> bool:
    """Take units from an item's stock, or return False if it has too few; a negative number puts units back."""
    return (
        session.count(
            "UPDATE offer_stock SET on_hand = on_hand - %(units)s WHERE offer_id = %(offer)s AND on_hand >= %(units)s",
            {"offer": offer_id, "units": units},
        )
        > 0
    )


def add_stock(session: WriteSession, offer_id: UUID, units: int) -> int:
    """Add units to an item's stock, and return the new stock."""
    return int(
        session.value(
            "UPDATE offer_stock SET on_hand = on_hand + %s WHERE offer_id = %s RETURNING on_hand", (units, offer_id)
        )
    )


def insert_subscription(session: WriteSession, subscribed: Subscribed) -> None:
    session.run(
        f"INSERT INTO subscriptions ({_SUBSCRIBED}) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        list(subscribed.__dict__.values()),
    )


def lock_subscription(session: WriteSession, subscription_id: UUID) -> Subscribed | None:
    """Lock a subscription until the transaction ends, and return it; None if there is no such subscription."""
    return session.one(
        Subscribed,
        f"SELECT {_SUBSCRIBED} FROM subscriptions WHERE subscription_id = %s FOR UPDATE",
        (subscription_id,),
    )


def lock_subscriptions(session: WriteSession, member_id: UUID, offer_id: UUID | None = None) -> list[Subscribed]:
    """Lock a member's subscriptions, to one offer or to all, and return them, oldest first."""
    return session.all(
        Subscribed,
        f"""SELECT {_SUBSCRIBED} FROM subscriptions
            WHERE member_id = %(member)s AND (%(offer)s::uuid IS NULL OR offer_id = %(offer)s)
            ORDER BY subscription_id FOR UPDATE""",
        {"member": member_id, "offer": offer_id},
    )


def subscriptions_of(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Subscribed]:
    """Return a member's subscriptions, oldest first."""
    return session.all(
        Subscribed,
        f"""SELECT {_SUBSCRIBED} FROM subscriptions
            WHERE member_id = %(member)s {"AND subscription_id > %(after)s" if after else ""}
            ORDER BY subscription_id LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def due(session: Session, on: date, limit: int) -> list[UUID]:
    return [
        row[0]
        for row in session.rows(
            """SELECT subscription_id FROM subscriptions WHERE state <> 'lapsed' AND due_on <= %s
               ORDER BY due_on, subscription_id LIMIT %s""",
            (on, limit),
        )
    ]


def due_of(session: Session, member_id: UUID, on: date) -> list[Subscribed]:
    return session.all(
        Subscribed,
        f"""SELECT {_SUBSCRIBED} FROM subscriptions WHERE member_id = %s AND state <> 'lapsed' AND due_on <= %s
            ORDER BY due_on, subscription_id""",
        (member_id, on),
    )


def update_subscription(session: WriteSession, subscribed: Subscribed, expected: Sequence[SubscriptionState]) -> int:
    """Update a subscription if its stored state is one of `expected`; return the number of rows updated, 0 or 1."""
    return session.count(
        """UPDATE subscriptions SET state = %s, started_on = %s, paid_until = %s, due_on = %s
           WHERE subscription_id = %s AND state = ANY(%s)""",
        (
            *(subscribed.state, subscribed.started_on, subscribed.paid_until, subscribed.due_on),
            *(subscribed.subscription_id, list(expected)),
        ),
    )


def lock_subscriber(session: WriteSession, subscription_id: UUID) -> None:
    """Lock the wallet of a subscription's member. To avoid deadlocks, call this before the subscription is locked."""
    session.run(
        """SELECT FROM wallets WHERE member_id = (SELECT member_id FROM subscriptions WHERE subscription_id = %s)
           FOR UPDATE""",
        (subscription_id,),
    )


def subscription_ids_of(session: Session, member_id: UUID) -> list[UUID]:
    rows = session.rows("SELECT subscription_id FROM subscriptions WHERE member_id = %s", (member_id,))
    return [subscription_id for (subscription_id,) in rows]
