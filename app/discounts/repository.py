"""SQL for hourly discounts, and for vendors' discount terms, price floors and budgets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from app.db import Session, WriteSession, as_json
from app.discounts.models import Deal, Discount, DiscountState, DiscountTerms, Floor, Running

_TERMS = "vendor_id, mode, percent, most_products, budget_minor"
_DISCOUNT = "discount_id, vendor_id, product_id, hour, list_minor, price_minor, expected, state"


def terms(session: Session, vendor_id: UUID) -> DiscountTerms | None:
    return session.one(DiscountTerms, f"SELECT {_TERMS} FROM discount_terms WHERE vendor_id = %s", (vendor_id,))


def set_terms(session: WriteSession, terms: DiscountTerms) -> None:
    session.run(
        f"""INSERT INTO discount_terms ({_TERMS})
           VALUES (%(vendor_id)s, %(mode)s, %(percent)s, %(most_products)s, %(budget_minor)s)
           ON CONFLICT (vendor_id) DO UPDATE SET mode = excluded.mode, percent = excluded.percent,
               most_products = excluded.most_products, budget_minor = excluded.budget_minor""",
        asdict(terms),
    )


def floors(session: Session, vendor_id: UUID) -> list[Floor]:
    return session.all(
        Floor,
        """SELECT product_id, floor_minor FROM price_floors JOIN catalogue USING (product_id)
           WHERE vendor_id = %s ORDER BY product_id""",
        (vendor_id,),
    )


def set_floors(session: WriteSession, vendor_id: UUID, floors: Sequence[Floor]) -> set[UUID]:
    """Replace a vendor's price floors, and return the ids in `floors` that are not the vendor's products."""
    session.run(
        "DELETE FROM price_floors f USING catalogue p WHERE p.product_id = f.product_id AND p.vendor_id = %s",
        (vendor_id,),
    )
    set_ = session.rows(
        """INSERT INTO price_floors (product_id, floor_minor)
           SELECT f.product_id, f.floor_minor
           FROM json_to_recordset(%s) AS f (product_id uuid, floor_minor int8)
           JOIN catalogue p ON p.product_id = f.product_id AND p.vendor_id = %s RETURNING product_id""",
        (as_json(floors), vendor_id),
    )
    return {floor.product_id for floor in floors} - {row[0] for row in set_}


def proposed_of(session: Session, hour: datetime) -> dict[UUID, int]:
    """Return the number of an hour's discounts by vendor id, in all states except `control`."""
    return dict(
        session.rows(
            "SELECT vendor_id, count(*) FROM hourly_discounts WHERE hour = %s AND state <> 'control' GROUP BY 1",
            (hour,),
        )
    )


def insert(session: WriteSession, discounts: Sequence[Discount], budgets: Mapping[UUID, int]) -> None:
    """Insert one hour's discounts and the vendors' discount budgets for that hour; rows that exist stay unchanged."""
    session.run(
        f"""INSERT INTO hourly_discounts ({_DISCOUNT})
            SELECT {_DISCOUNT} FROM json_populate_recordset(NULL::hourly_discounts, %s) ON CONFLICT DO NOTHING""",
        (as_json(discounts),),
    )
    session.run(
        """INSERT INTO discount_budgets (vendor_id, hour, left_minor)
           SELECT key::uuid, %s, value::int8 FROM json_each_text(%s)
           ON CONFLICT DO NOTHING""",
        (discounts[0].hour, as_json({str(vendor): budget for vendor, budget in budgets.items()})),
    )


def lock_discount(session: WriteSession, discount_id: UUID) -> Discount | None:
    return session.one(
        Discount, f"SELECT {_DISCOUNT} FROM hourly_discounts WHERE discount_id = %s FOR UPDATE", (discount_id,)
    )


def move(session: WriteSession, discount_id: UUID, to: DiscountState, expected: Sequence[DiscountState]) -> int:
    """Store a discount's new state; return the number of rows changed: 0 if its stored state is not in `expected`."""
    return session.count(
        "UPDATE hourly_discounts SET state = %s WHERE discount_id = %s AND state = ANY(%s)",
        (to, discount_id, list(expected)),
    )


def stop_running(
    session: WriteSession, hour: datetime, vendor_id: UUID | None, expected: Sequence[DiscountState]
) -> int:
    """Change discounts for `hour` and later hours to the state `stopped`, and return how many were changed.

    Only discounts of the vendor (None: of any vendor) whose state is in `expected` are changed.
    """
    return session.count(
        """UPDATE hourly_discounts SET state = 'stopped' WHERE hour >= %s AND state = ANY(%s)
           AND (%s::uuid IS NULL OR vendor_id = %s)""",
        (hour, list(expected), vendor_id, vendor_id),
    )


def stopped(session: Session) -> bool:
    """Return whether an administrator has stopped all discounts."""
    return bool(session.value("SELECT stopped FROM discount_switch"))


def set_switch(session: WriteSession, *, stopped: bool) -> None:
    session.run("UPDATE discount_switch SET stopped = %s", (stopped,))


def of_vendor(
    session: Session, vendor_id: UUID, hour: datetime, after: tuple[datetime, UUID] | None, limit: int
) -> list[Discount]:
    """Return a vendor's discounts for `hour` and later, sorted by hour and product id, without the control group's."""
    behind = dict(zip(("after_hour", "after_product"), after or (), strict=False))
    return session.all(
        Discount,
        f"""SELECT {_DISCOUNT} FROM hourly_discounts
            WHERE vendor_id = %(vendor)s AND hour >= %(hour)s AND state <> 'control'
              {"AND (hour, product_id) > (%(after_hour)s, %(after_product)s)" if after else ""}
            ORDER BY hour, product_id LIMIT %(limit)s""",
        {"vendor": vendor_id, "hour": hour, "limit": limit, **behind},
    )


_DEALS = """hourly_discounts d JOIN price_floors f USING (product_id) JOIN discount_terms t USING (vendor_id)"""


def approved(session: Session, hour: datetime) -> list[Deal]:
    """Return the approved discounts of an hour whose products still have a price floor."""
    return session.all(
        Deal,
        f"""SELECT d.vendor_id, d.product_id, d.hour, d.price_minor, t.percent, f.floor_minor FROM {_DEALS}
            WHERE d.hour = %s AND d.state = 'approved' ORDER BY d.product_id""",
        (hour,),
    )


def running(session: Session, hour: datetime, after: tuple[str, UUID] | None, limit: int | None) -> list[Running]:
    """Return an hour's approved discounts that the vendor's remaining budget covers, sorted by product name and id."""
    behind = dict(zip(("after_name", "after_product"), after or (), strict=False))
    return session.all(
        Running,
        f"""SELECT p.product_id, p.name, p.price_minor AS list_minor, deal.price_minor,
                  d.hour + interval '1 hour' AS until
           FROM {_DEALS} JOIN catalogue p ON p.product_id = d.product_id
           JOIN discount_budgets b ON b.vendor_id = d.vendor_id AND b.hour = d.hour,
           LATERAL (SELECT greatest(d.price_minor, f.floor_minor, p.price_minor - p.price_minor * t.percent / 100)
                           AS price_minor) AS deal  -- as models.Deal
           WHERE d.hour = %(hour)s AND d.state = 'approved' AND p.active AND deal.price_minor < p.price_minor
             AND b.left_minor >= p.price_minor - deal.price_minor
             {"AND (p.name, p.product_id) > (%(after_name)s, %(after_product)s)" if after else ""}
           ORDER BY p.name, p.product_id LIMIT %(limit)s""",
        {"hour": hour, "limit": limit, **behind},
    )


def take(session: WriteSession, vendor_id: UUID, hour: datetime, amount_minor: int) -> bool:
    """Subtract an amount from a vendor's discount budget for an hour; if too little is left, only return False."""
    return bool(
        session.count(
            """UPDATE discount_budgets SET left_minor = left_minor - %s
               WHERE vendor_id = %s AND hour = %s AND left_minor >= %s""",
            (amount_minor, vendor_id, hour, amount_minor),
        )
    )


def left(session: Session, vendor_id: UUID, hour: datetime) -> int:
    """Return what is left of a vendor's discount budget for an hour, in minor units."""
    sql = "SELECT left_minor FROM discount_budgets WHERE vendor_id = %s AND hour = %s"
    return int(session.value(sql, (vendor_id, hour)) or 0)
