"""SQL that erases a member: it finds texts about them and replaces them."""

from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession
from app.members.models import ERASED

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def name(session: Session, member_id: UUID) -> str | None:
    value: str | None = session.value("SELECT name FROM members WHERE member_id = %s", (member_id,))
    return value


def is_erased(session: Session, member_id: UUID) -> bool:
    """Return whether the member is marked as erased."""
    return bool(session.value("SELECT erased_at IS NOT NULL FROM members WHERE member_id = %s", (member_id,)))


def mark(session: WriteSession, member_id: UUID, at: datetime) -> None:
    """Mark the member as erased, after all transactions that write about them; later ones see the mark."""
    session.run("SELECT FROM members WHERE member_id = %s FOR UPDATE", (member_id,))
    session.run("UPDATE members SET erased_at = coalesce(erased_at, %s) WHERE member_id = %s", (at, member_id))


def open_claims(session: Session, member_id: UUID) -> list[UUID]:
    rows = session.rows(
        "SELECT claim_id FROM claims WHERE member_id = %s AND state = 'open' ORDER BY claim_id", (member_id,)
    )
    return [claim_id for (claim_id,) in rows]


def proposed_corrections(session: Session, member_id: UUID) -> list[UUID]:
    rows = session.rows(
        "SELECT correction_id FROM corrections WHERE member_id = %s AND state = 'proposed' ORDER BY correction_id",
        (member_id,),
    )
    return [correction_id for (correction_id,) in rows]


def documents(session: Session, member_id: UUID) -> list[tuple[str, str]]:
    """Return table and id of documents with texts about a member."""
    return session.rows(
        """SELECT 'claims', claim_id::text FROM claims WHERE member_id = %(member)s
           UNION ALL SELECT 'corrections', correction_id::text FROM corrections WHERE member_id = %(member)s
           UNION ALL SELECT 'returns', return_id::text FROM returns JOIN orders USING (order_id)
                     WHERE member_id = %(member)s
           UNION ALL SELECT 'orders', order_id::text FROM orders WHERE member_id = %(member)s AND area IS NOT NULL
           UNION ALL SELECT 'members', %(member)s::text""",
        {"member": member_id},
    )


def vendors_mentioning(session: Session, mentions: list[str]) -> list[UUID]:
    """Return the vendors whose reasons for their state contain one of the texts."""
    rows = session.rows(
        """SELECT vendor_id FROM vendors WHERE EXISTS (
               SELECT FROM unnest(%s::text[]) AS mention
               WHERE position(lower(mention) IN lower(array_to_string(reasons, ' '))) > 0)
           ORDER BY vendor_id""",
        (mentions,),
    )
    return [vendor_id for (vendor_id,) in rows]


def is_vendor(session: Session, vendor_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM vendors WHERE vendor_id = %s)", (vendor_id,)))


def erase_words(session: WriteSession, member_id: UUID, vendors: list[UUID]) -> None:
    """Replace the texts in tables, and delete the stream consumer's data and stored answers about the member.

    `vendors` are those whose reasons mention the member.
    """
    # Waits for the stream's current batch; later batches see the mark.
    session.run("SELECT FROM stream_progress FOR UPDATE")
    _erase_areas(session, member_id)
    _erase_answers(session, member_id, vendors)
    session.run("UPDATE vendors SET reasons = ARRAY[%s] WHERE vendor_id = ANY(%s)", (ERASED, vendors))
    session.run(
        """WITH claimed AS (UPDATE claims SET evidence = %(erased)s, reason = %(erased)s WHERE member_id = %(member)s),
                corrected AS (UPDATE corrections SET reason = %(erased)s, evidence = %(erased)s,
                                  closing_reason = CASE WHEN closing_reason IS NOT NULL THEN %(erased)s END
                              WHERE member_id = %(member)s),
                explained AS (UPDATE lots SET explanation = (explanation::jsonb || jsonb_build_object(
                                  'gives', concat(explanation ->> 'points', ' as decided: ', %(erased)s::text)))::json
                              WHERE member_id = %(member)s AND explanation ->> 'claim' IS NOT NULL),
                returned AS (UPDATE returns r SET reason = %(erased)s FROM orders o
                             WHERE o.order_id = r.order_id AND o.member_id = %(member)s),
                ordered AS (UPDATE orders SET area = %(erased)s WHERE member_id = %(member)s AND area IS NOT NULL),
                profiled AS (DELETE FROM insight_members WHERE member_id = %(member)s),
                poison AS (DELETE FROM stream_quarantine WHERE position(convert_to(%(text)s, 'UTF8') IN record) > 0),
                baskets AS (DELETE FROM stream_baskets WHERE member_id = %(member)s)
           UPDATE members SET name = %(erased)s, income_band = NULL, marital_status = NULL, consented_at = NULL
           WHERE member_id = %(member)s""",
        {"member": member_id, "text": str(member_id), "erased": ERASED},
    )


def _erase_areas(session: WriteSession, member_id: UUID) -> None:
    """Rename an area that only this member used: its hourly sums are added to those of erased areas."""
    session.run(
        """WITH own AS MATERIALIZED (
               SELECT DISTINCT area FROM orders o WHERE member_id = %(member)s AND area <> %(erased)s
               AND NOT EXISTS (SELECT FROM orders other WHERE other.area = o.area AND other.member_id <> o.member_id)
           ), gone AS (
               DELETE FROM hourly_area_sales WHERE area IN (SELECT area FROM own)
               RETURNING hour, units, paid_minor, lines, returned_units
           )
           INSERT INTO hourly_area_sales AS h (hour, area, units, paid_minor, lines, returned_units)
           SELECT hour, %(erased)s, sum(units), sum(paid_minor), sum(lines), sum(returned_units) FROM gone GROUP BY hour
           ON CONFLICT (hour, area) DO UPDATE SET units = h.units + excluded.units,
               paid_minor = h.paid_minor + excluded.paid_minor, lines = h.lines + excluded.lines,
               returned_units = h.returned_units + excluded.returned_units""",
        {"member": member_id, "erased": ERASED},
    )


def _erase_answers(session: WriteSession, member_id: UUID, vendors: list[UUID]) -> None:
    """Delete stored answers, also to others, that contain an id of the member's records or of the vendors."""
    session.run(
        f"""WITH named AS MATERIALIZED (
               SELECT %(member)s::text AS id
               UNION ALL SELECT unnest(%(vendors)s::uuid[])::text
               UNION ALL SELECT order_id::text FROM orders WHERE member_id = %(member)s
               UNION ALL SELECT return_id::text FROM returns JOIN orders USING (order_id) WHERE member_id = %(member)s
               UNION ALL SELECT claim_id::text FROM claims WHERE member_id = %(member)s
               UNION ALL SELECT correction_id::text FROM corrections WHERE member_id = %(member)s
               UNION ALL SELECT redemption_id::text FROM redemptions WHERE member_id = %(member)s
               UNION ALL SELECT payment_id::text FROM payments WHERE member_id = %(member)s
               UNION ALL SELECT subscription_id::text FROM subscriptions WHERE member_id = %(member)s
           )
           DELETE FROM idempotency_keys k WHERE caller = %(member)s::text OR EXISTS (
               SELECT FROM regexp_matches(k.answer, '{_UUID}', 'g') AS found (ids) JOIN named ON id = ids[1])""",
        {"member": member_id, "vendors": vendors},
    )
