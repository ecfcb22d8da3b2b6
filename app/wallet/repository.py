"""SQL for lots, wallets, postings and redemptions."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime
from uuid import UUID

from app.db import Session, WriteSession, as_json
from app.ids import new_id
from app.members.models import ERASED
from app.wallet.models import Draw, Lot, Posting, Redemption, RedemptionState, Wallet

_LOT = """lot_id, member_id, order_id, line, vendor_id, rule_id, units, points, unspent, recovered, state, earned_at,
          matures_on, expires_on, split_from, explanation, short, source, source_id"""
_REDEMPTION = "redemption_id, member_id, kind, state, points, amount_minor, order_id, offer_id, redeemed_at"
_REDEMPTION_BY_ID = f"SELECT {_REDEMPTION} FROM redemptions WHERE redemption_id = %s"
_WALLET = "SELECT member_id, pending, available, owed FROM wallets WHERE member_id = %s"


def insert_lots(session: WriteSession, lots: Sequence[Lot]) -> None:
    session.run(
        f"INSERT INTO lots ({_LOT}) SELECT {_LOT} FROM json_populate_recordset(NULL::lots, %s)", (as_json(lots),)
    )


def book(session: WriteSession, lots: Sequence[Lot], earned: Mapping[UUID, int], postings: Sequence[object]) -> None:
    """Insert orders' pending lots, add `earned` to members' pending points, and insert postings, in one statement."""
    session.run(
        f"""WITH booked AS (
               INSERT INTO lots ({_LOT}) SELECT {_LOT} FROM json_populate_recordset(NULL::lots, %(lots)s)
           ), credited AS (
               INSERT INTO wallets AS w (member_id, pending)
               SELECT * FROM unnest(%(members)s::uuid[], %(points)s::int8[]) AS e (member_id, points) ORDER BY 1
               ON CONFLICT (member_id) DO UPDATE SET pending = w.pending + excluded.pending
           )
           INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
           SELECT movement_id, 'earn', account, owner_id, points, posted_at
           FROM json_populate_recordset(NULL::postings, %(postings)s)""",
        {
            "lots": as_json(lots),
            "members": list(earned),
            "points": list(earned.values()),
            "postings": as_json(postings),
        },
    )


def update_lot(session: WriteSession, lot: Lot) -> None:
    session.run(
        """UPDATE lots SET units = %(units)s, points = %(points)s, unspent = %(unspent)s, recovered = %(recovered)s,
               short = %(short)s, state = %(state)s, explanation = %(explanation)s::json
           WHERE lot_id = %(lot_id)s""",
        {**lot.__dict__, "explanation": as_json(lot.explanation)},
    )


def lock_lots_of_line(session: WriteSession, order_id: UUID, line: int) -> list[Lot]:
    return session.all(
        Lot,
        f"SELECT {_LOT} FROM lots WHERE order_id = %s AND line = %s ORDER BY rule_id, lot_id FOR UPDATE",
        (order_id, line),
    )


def lots_of_member(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Lot]:
    return session.all(
        Lot,
        f"""SELECT {_LOT} FROM lots WHERE member_id = %(member)s {"AND lot_id < %(after)s" if after else ""}
            ORDER BY lot_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def lots_that_count(session: Session, member_id: UUID, today: date) -> list[Lot]:
    """Return a member's confirmed lots, and the pending ones whose return window is over by today."""
    return session.all(
        Lot,
        f"""SELECT {_LOT} FROM lots WHERE member_id = %(member)s AND state = 'confirmed'
            UNION ALL
            SELECT {_LOT} FROM lots WHERE member_id = %(member)s AND state = 'pending' AND matures_on <= %(today)s""",
        {"member": member_id, "today": today},
    )


def lots_of_order(session: Session, order_id: UUID) -> list[Lot]:
    return session.all(Lot, f"SELECT {_LOT} FROM lots WHERE order_id = %s ORDER BY line, lot_id", (order_id,))


def earned_under(session: Session, order_ids: Sequence[UUID], rule_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Return pairs (order id, rule or offer id) from the given ids: those for which a lot exists, in any state."""
    return session.rows(
        "SELECT DISTINCT order_id, rule_id FROM lots WHERE order_id = ANY(%s) AND rule_id = ANY(%s)",
        (list(order_ids), list(rule_ids)),
    )


def lot(session: Session, lot_id: UUID) -> Lot | None:
    return session.one(Lot, f"SELECT {_LOT} FROM lots WHERE lot_id = %s", (lot_id,))


def lock_lot(session: WriteSession, lot_id: UUID) -> Lot:
    """Lock a lot until the transaction ends, and return it."""
    row = session.one(Lot, f"SELECT {_LOT} FROM lots WHERE lot_id = %s FOR UPDATE", (lot_id,))
    assert row is not None  # noqa: S101  no lot is ever deleted
    return row


def draws_on(session: Session, lot_id: UUID) -> int:
    """Return how many points redemptions have drawn from a lot."""
    return int(session.value("SELECT coalesce(sum(points), 0) FROM lot_draws WHERE lot_id = %s", (lot_id,)))


def draw(session: WriteSession, member_id: UUID, points: int) -> list[Draw]:
    """Draw points from a member's confirmed lots, earliest expiry first; the caller has locked the wallet.

    Lots with `short` points come first. Such a lot has unspent points only while a redemption is being undone, and
    these points must pay what an earlier return could not take.
    """
    return session.all(
        Draw,
        """WITH spendable AS (
               SELECT lot_id, unspent,
                      sum(unspent) OVER (ORDER BY short > 0 DESC, expires_on NULLS LAST, lot_id) - unspent AS before
               FROM lots WHERE member_id = %(member)s AND state = 'confirmed'
           ), drawn AS (
               SELECT lot_id, least(unspent, %(points)s - before)::bigint AS points
               FROM spendable WHERE before < %(points)s AND unspent > 0
           )
           UPDATE lots SET unspent = lots.unspent - drawn.points,
                           state = CASE WHEN lots.unspent = drawn.points THEN 'spent' ELSE 'confirmed' END
           FROM drawn WHERE lots.lot_id = drawn.lot_id
           RETURNING lots.lot_id, drawn.points""",
        {"member": member_id, "points": points},
    )


def insert_redemption(session: WriteSession, redemption: Redemption, draws: Sequence[Draw]) -> None:
    session.run(
        f"""INSERT INTO redemptions ({_REDEMPTION})
            VALUES (%(redemption_id)s, %(member_id)s, %(kind)s, %(state)s, %(points)s, %(amount_minor)s, %(order_id)s,
                    %(offer_id)s, %(redeemed_at)s)""",
        asdict(redemption),
    )
    session.run(
        "INSERT INTO lot_draws (redemption_id, lot_id, points) SELECT %s, * FROM unnest(%s::uuid[], %s::int8[])",
        (redemption.redemption_id, [draw.lot_id for draw in draws], [draw.points for draw in draws]),
    )


def redemptions_of(session: Session, member_id: UUID, after: UUID | None, limit: int) -> list[Redemption]:
    """Return a page of a member's redemptions, newest first; `after` is the id of the last one of the page before."""
    return session.all(
        Redemption,
        f"""SELECT {_REDEMPTION} FROM redemptions
            WHERE member_id = %(member)s {"AND redemption_id < %(after)s" if after else ""}
            ORDER BY redemption_id DESC LIMIT %(limit)s""",
        {"member": member_id, "after": after, "limit": limit},
    )


def redemption(session: Session, redemption_id: UUID) -> Redemption | None:
    return session.one(Redemption, _REDEMPTION_BY_ID, (redemption_id,))


def lock_redemption(session: WriteSession, redemption_id: UUID) -> Redemption | None:
    return session.one(Redemption, _REDEMPTION_BY_ID + " FOR UPDATE", (redemption_id,))


def set_redemption_state(session: WriteSession, redemption: Redemption, expected: Sequence[RedemptionState]) -> int:
    """Update a redemption's state if the stored one is in `expected`, and return the number of rows changed: 1 or 0."""
    return session.count(
        "UPDATE redemptions SET state = %s WHERE redemption_id = %s AND state = ANY(%s)",
        (redemption.state, redemption.redemption_id, list(expected)),
    )


def undo_draws(session: WriteSession, redemption_id: UUID) -> list[Draw]:
    """Delete and return the draws of a redemption (how many points it took from which lot), sorted by lot."""
    return sorted(
        session.all(Draw, "DELETE FROM lot_draws WHERE redemption_id = %s RETURNING lot_id, points", (redemption_id,)),
        key=lambda draw: draw.lot_id,
    )


def lots_gone_short(session: Session, member_id: UUID) -> list[Lot]:
    """Return a member's lots with `short` points: spent points that a return should have taken but could not."""
    return session.all(Lot, f"SELECT {_LOT} FROM lots WHERE member_id = %s AND short > 0", (member_id,))


def wallet(session: Session, member_id: UUID) -> Wallet | None:
    return session.one(Wallet, _WALLET, (member_id,))


def lock_wallet(session: WriteSession, member_id: UUID) -> Wallet | None:
    return session.one(Wallet, _WALLET + " FOR UPDATE", (member_id,))


def lock_or_open_wallet(session: WriteSession, member_id: UUID) -> Wallet:
    """Lock a member's wallet until the transaction ends, and return it; a member without a wallet gets an empty one."""
    session.run("INSERT INTO wallets (member_id) VALUES (%s) ON CONFLICT DO NOTHING", (member_id,))
    wallet = lock_wallet(session, member_id)
    assert wallet is not None  # noqa: S101  it was just inserted, and wallets are never deleted
    return wallet


def lock_wallets(session: WriteSession, member_ids: Sequence[UUID]) -> None:
    session.run("SELECT FROM wallets WHERE member_id = ANY(%s) ORDER BY member_id FOR UPDATE", (member_ids,))


def spend_from_wallet(session: WriteSession, member_id: UUID, points: int) -> bool:
    """Lock a member's wallet and subtract available points; return False if it has fewer points."""
    wallets = session.count(
        """UPDATE wallets SET available = available - %(points)s
           WHERE member_id = %(member)s AND available >= %(points)s""",
        {"member": member_id, "points": points},
    )
    return wallets > 0


def change_wallet(
    session: WriteSession, member_id: UUID, *, pending: int = 0, available: int = 0, owed: int = 0
) -> None:
    """Add points to a wallet's balances; the database refuses a negative balance."""
    session.run(
        """UPDATE wallets SET pending = pending + %s, available = available + %s, owed = owed + %s
           WHERE member_id = %s""",
        (pending, available, owed, member_id),
    )


def post(
    session: WriteSession, kind: str, postings: Sequence[Posting], at: datetime, movement_id: UUID | None = None
) -> None:
    """Insert the postings of one movement of points; the database refuses them if their sum is not zero."""
    session.run(
        """INSERT INTO postings (movement_id, kind, account, owner_id, points, posted_at)
           SELECT %s, %s, account, owner_id, points, %s FROM json_populate_recordset(NULL::postings, %s)""",
        (movement_id or new_id(), kind, at, as_json(postings)),
    )


def erase(session: WriteSession, member_id: UUID) -> None:
    """Replace by ERASED what the explanations of a member's lots quote from claims for missing points."""
    session.run(
        """UPDATE lots SET explanation = (explanation::jsonb || jsonb_build_object(
               'gives', concat(explanation ->> 'points', ' as decided: ', %s::text)))::json
           WHERE member_id = %s AND explanation ->> 'claim' IS NOT NULL""",
        (ERASED, member_id),
    )


def ids_of(session: Session, member_id: UUID) -> list[UUID]:
    """Return the ids of a member's redemptions and payments."""
    rows = session.rows(
        """SELECT redemption_id FROM redemptions WHERE member_id = %(member)s
           UNION ALL SELECT payment_id FROM payments WHERE member_id = %(member)s""",
        {"member": member_id},
    )
    return [record_id for (record_id,) in rows]
