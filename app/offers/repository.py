"""All SQL of offers and subscriptions."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from app.db import Session, WriteSession
from app.earning.stages import STATE_SQL, Stage, State
from app.offers.models import Offer, Subscribed, Terms
from app.offers.subscription_states import SubscriptionState

_OFFER = """o.offer_id, o.name, o.description, o.starts_at, o.ends_at, o.terms, s.on_hand, o.stage, o.author, o.editor,
            o.edits, o.limited FROM offers o LEFT JOIN offer_stock s USING (offer_id)"""
_SUBSCRIBED = "subscription_id, member_id, offer_id, state, started_on, paid_until, due_on"


@dataclass(frozen=True)
class _Row:
    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: dict[str, Any]
    on_hand: int | None
    stage: Stage
    author: UUID | None
    editor: UUID | None
    edits: int
    limited: bool

    def offer(self) -> Offer:
        return Offer(**{**self.__dict__, "terms": Terms.read(self.terms)})


def insert(session: WriteSession, offer: Offer) -> None:
    session.run(
        """INSERT INTO offers (offer_id, kind, name, description, starts_at, ends_at, terms, stage, author, editor,
                   edits, limited)
           VALUES (%(offer_id)s, %(kind)s, %(name)s, %(description)s, %(starts_at)s, %(ends_at)s, %(terms)s, %(stage)s,
                   %(author)s, %(editor)s, %(edits)s, %(limited)s)""",
        _columns(offer),
    )
    if offer.on_hand is not None:
        session.run("INSERT INTO offer_stock (offer_id, on_hand) VALUES (%s, %s)", (offer.offer_id, offer.on_hand))


def _columns(offer: Offer) -> dict[str, Any]:
    return {**offer.__dict__, "kind": offer.terms.kind, "terms": Jsonb(offer.terms.model_dump(mode="json"))}


def write(session: WriteSession, offer: Offer, expected: Stage) -> int:
    """Store an offer except its stock if its stored stage is still `expected`, and return the number of rows."""
    return session.count(
        """UPDATE offers SET kind = %(kind)s, name = %(name)s, description = %(description)s, starts_at = %(starts_at)s,
                  ends_at = %(ends_at)s, terms = %(terms)s, stage = %(stage)s, editor = %(editor)s, edits = %(edits)s,
                  limited = %(limited)s
           WHERE offer_id = %(offer_id)s AND stage = %(expected)s""",
        {**_columns(offer), "expected": expected},
    )


def lock_offer(session: WriteSession, offer_id: UUID) -> Offer | None:
    row = session.one(_Row, f"SELECT {_OFFER} WHERE o.offer_id = %s FOR NO KEY UPDATE OF o", (offer_id,))
    return row.offer() if row else None


def offer(session: Session, offer_id: UUID) -> Offer | None:
    row = session.one(_Row, f"SELECT {_OFFER} WHERE o.offer_id = %s", (offer_id,))
    return row.offer() if row else None


def voucher(session: Session, code: str) -> Offer | None:
    """Return the started voucher with the code."""
    row = session.one(
        _Row,
        f"""SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.terms ->> 'code' = %s
            AND o.stage IN ('started', 'paused')""",
        (code,),
    )
    return row.offer() if row else None


def vouchers(session: Session, offer_ids: Collection[UUID]) -> list[Offer]:
    """Return the vouchers among these offers and rules, in any state."""
    rows = session.all(_Row, f"SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.offer_id = ANY(%s)", (list(offer_ids),))
    return [row.offer() for row in rows]


def lock_voucher(session: WriteSession, code: str) -> Offer | None:
    """Lock and return the started voucher with the code."""
    row = session.one(
        _Row,
        f"""SELECT {_OFFER} WHERE o.kind = 'voucher' AND o.terms ->> 'code' = %s
            AND o.stage IN ('started', 'paused') FOR NO KEY UPDATE OF o""",
        (code,),
    )
    return row.offer() if row else None


def running(session: Session, at: datetime, after: UUID | None, limit: int) -> list[Offer]:
    """Return running offers in the order of their ids, without vouchers, which only those who know the code may use."""
    rows = session.all(
        _Row,
        f"""SELECT {_OFFER} WHERE o.stage = 'started' AND o.starts_at <= %(at)s AND o.ends_at > %(at)s
            AND o.kind <> 'voucher' {"AND o.offer_id > %(after)s" if after else ""}
            ORDER BY o.offer_id LIMIT %(limit)s""",
        {"at": at, "after": after, "limit": limit},
    )
    return [row.offer() for row in rows]


def offers(session: Session, state: State | None, at: datetime, after: UUID | None, limit: int) -> list[Offer]:
    """Return offers in the order of their ids; with a state, only those in that state at `at`."""
    rows = session.all(
        _Row,
        f"""SELECT {_OFFER} WHERE (%(state)s::text IS NULL OR %(state)s = {STATE_SQL})
            {"AND o.offer_id > %(after)s" if after else ""} ORDER BY o.offer_id LIMIT %(limit)s""",
        {"state": state, "at": at, "after": after, "limit": limit},
    )
    return [row.offer() for row in rows]


def of_kinds(session: Session, kinds: Sequence[str]) -> list[Offer]:
    rows = session.all(_Row, f"SELECT {_OFFER} WHERE o.kind = ANY(%s) ORDER BY o.offer_id", (list(kinds),))
    return [row.offer() for row in rows]


def ask_subscribed(session: Session, member_ids: Sequence[UUID]) -> Callable[[], list[tuple[Any, ...]]]:
    """Return the program's version with each subscription's last day: (version, member, offer, day).

    Each offer is listed once per member. The days of grace are included for a subscription that is due to renew, if its
    offer runs that day, even if the nightly calculation is late. The call that is returned waits for the answer.
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
    """Return whether a member who consented to segments is in this one."""
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
    """Take units from an item's stock, or return False if it has fewer; a negative number puts units back."""
    return (
        session.count(
            "UPDATE offer_stock SET on_hand = on_hand - %(units)s WHERE offer_id = %(offer)s AND on_hand >= %(units)s",
            {"offer": offer_id, "units": units},
        )
        > 0
    )


def add_stock(session: WriteSession, offer_id: UUID, units: int) -> int:
    """Add to an item's stock, and return the new stock."""
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
    """Lock and return a subscription until the transaction ends."""
    return session.one(
        Subscribed,
        f"SELECT {_SUBSCRIBED} FROM subscriptions WHERE subscription_id = %s FOR UPDATE",
        (subscription_id,),
    )


def lock_subscriptions(session: WriteSession, member_id: UUID, offer_id: UUID | None = None) -> list[Subscribed]:
    """Lock and return a member's subscriptions, to one offer or to all, oldest first."""
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
    """Store a subscription's new state, and return the number of rows changed: 0 if its state is not in `expected`."""
    return session.count(
        """UPDATE subscriptions SET state = %s, started_on = %s, paid_until = %s, due_on = %s
           WHERE subscription_id = %s AND state = ANY(%s)""",
        (
            *(subscribed.state, subscribed.started_on, subscribed.paid_until, subscribed.due_on),
            *(subscribed.subscription_id, list(expected)),
        ),
    )


def lock_subscriber(session: WriteSession, subscription_id: UUID) -> None:
    """Lock the subscriber's wallet; always before the subscription, to avoid deadlocks."""
    session.run(
        """SELECT FROM wallets WHERE member_id = (SELECT member_id FROM subscriptions WHERE subscription_id = %s)
           FOR UPDATE""",
        (subscription_id,),
    )
