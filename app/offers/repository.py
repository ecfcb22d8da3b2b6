"""All SQL of offers and subscriptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from app.db import Session, WriteSession, made
from app.offers.models import Offer, Subscribed, Terms

_TERMS: TypeAdapter[Any] = TypeAdapter(Terms)
_OFFER = """o.offer_id, o.name, o.description, o.starts_at, o.ends_at, o.terms, s.on_hand
            FROM offers o LEFT JOIN offer_stock s USING (offer_id)"""
_SUBSCRIBED = "subscription_id, member_id, offer_id, state, started_on, paid_until"


@dataclass(frozen=True)
class _Row:
    offer_id: UUID
    name: str
    description: str
    starts_at: datetime
    ends_at: datetime
    terms: dict[str, Any]
    on_hand: int | None

    def offer(self) -> Offer:
        return Offer(**{**self.__dict__, "terms": _TERMS.validate_python(self.terms)})


def insert(session: WriteSession, offer: Offer) -> None:
    session.run(
        """INSERT INTO offers (offer_id, kind, name, description, starts_at, ends_at, terms)
           VALUES (%s, %s, %s, %s, %s, %s, %s)""",
        (
            *(offer.offer_id, offer.terms.kind, offer.name, offer.description, offer.starts_at, offer.ends_at),
            Jsonb(offer.terms.model_dump(mode="json")),
        ),
    )
    if offer.on_hand is not None:
        session.run("INSERT INTO offer_stock VALUES (%s, %s)", (offer.offer_id, offer.on_hand))


def offer(session: Session, offer_id: UUID) -> Offer | None:
    row = session.one(_Row, f"SELECT {_OFFER} WHERE o.offer_id = %s", (offer_id,))
    return row.offer() if row else None


def running(session: Session, at: datetime) -> list[Offer]:
    rows = session.all(
        _Row,
        f"SELECT {_OFFER} WHERE o.starts_at <= %(at)s AND o.ends_at > %(at)s ORDER BY o.kind, o.offer_id",
        {"at": at},
    )
    return [row.offer() for row in rows]


def boosting(
    session: Session, member_ids: Sequence[UUID], first: datetime, last: datetime
) -> list[tuple[UUID | None, date | None, Offer]]:
    """Promotions that run at some time between (of nobody), and what the members subscribed to (until that day)."""
    rows = session.rows(
        """SELECT NULL::uuid, NULL::date, o.offer_id, o.name, o.description, o.starts_at, o.ends_at, o.terms,
                  NULL::bigint
           FROM offers o WHERE kind NOT IN ('item', 'subscription') AND starts_at <= %(last)s AND ends_at > %(first)s
           UNION ALL
           SELECT u.member_id, u.paid_until, o.offer_id, o.name, o.description, o.starts_at, o.ends_at, o.terms,
                  NULL
           FROM subscriptions u JOIN offers o USING (offer_id)
           WHERE u.member_id = ANY(%(members)s) AND u.state IN ('active', 'cancelled')""",
        {"members": list(member_ids), "first": first, "last": last},
    )
    return [(row[0], row[1], made(_Row, row[2:]).offer()) for row in rows]


def take_stock(session: WriteSession, offer_id: UUID, units: int) -> bool:
    return (
        session.count(
            "UPDATE offer_stock SET on_hand = on_hand - %(units)s WHERE offer_id = %(offer)s AND on_hand >= %(units)s",
            {"offer": offer_id, "units": units},
        )
        > 0
    )


def insert_subscription(session: WriteSession, subscribed: Subscribed) -> None:
    session.run(
        f"INSERT INTO subscriptions ({_SUBSCRIBED}) VALUES (%s, %s, %s, %s, %s, %s)",
        list(subscribed.__dict__.values()),
    )


def subscription(session: WriteSession, subscription_id: UUID) -> Subscribed | None:
    """Locked until the transaction ends."""
    return session.one(
        Subscribed,
        f"SELECT {_SUBSCRIBED} FROM subscriptions WHERE subscription_id = %s FOR UPDATE",
        (subscription_id,),
    )


def subscriptions_of(session: Session, member_id: UUID) -> list[Subscribed]:
    return session.all(
        Subscribed,
        f"SELECT {_SUBSCRIBED} FROM subscriptions WHERE member_id = %s ORDER BY subscription_id",
        (member_id,),
    )


def due(session: Session, on: date, limit: int) -> list[UUID]:
    return [
        row[0]
        for row in session.rows(
            """SELECT subscription_id FROM subscriptions WHERE state IN ('active', 'cancelled') AND paid_until <= %s
               ORDER BY subscription_id LIMIT %s""",
            (on, limit),
        )
    ]


def update_subscription(session: WriteSession, subscribed: Subscribed) -> None:
    session.run(
        "UPDATE subscriptions SET state = %s, paid_until = %s WHERE subscription_id = %s",
        (subscribed.state, subscribed.paid_until, subscribed.subscription_id),
    )
