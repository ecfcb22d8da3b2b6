"""SQL of the application's side: the lead among loaders, and what is published for the API."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from app import locks
from app.db import Row, Session, WriteSession, as_json
from app.insights.warehouse.models import MODELS, MemberProfile, Published


def try_lead(session: WriteSession) -> bool:
    """Until the transaction ends."""
    return bool(session.value("SELECT pg_try_advisory_xact_lock(%s)", (locks.LOADING,)))


def new_generation(session: WriteSession) -> int:
    return int(session.value("SELECT nextval('insight_generations')"))


def write(session: WriteSession, row: type[Any], generation: int, rows: Sequence[Sequence[Any]]) -> None:
    """Rows of one model, in the order of its fields."""
    names = [field.name for field in fields(row)]
    table, columns = MODELS[row].table, ", ".join(names)
    session.run(
        f"""INSERT INTO {table} (generation, {columns})
            SELECT %s, {columns} FROM json_populate_recordset(NULL::{table}, %s)""",
        (generation, as_json([dict(zip(names, one, strict=True)) for one in rows])),
    )


def publish(session: WriteSession, made: Published) -> None:
    session.run(
        """INSERT INTO insight_published (generation, as_of_block, as_of_date, published_at)
           VALUES (%(generation)s, %(as_of_block)s, %(as_of_date)s, %(published_at)s)
           ON CONFLICT (only_one) DO UPDATE SET generation = excluded.generation, as_of_block = excluded.as_of_block,
               as_of_date = excluded.as_of_date, published_at = excluded.published_at""",
        made.__dict__,
    )


def forget_others(session: WriteSession, table: str, generation: int, limit: int) -> int:
    """Rows of generations that do not count, so many at a time; how many there were."""
    return session.count(
        f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE generation <> %s LIMIT %s))""",
        (generation, limit),
    )


def published(session: Session) -> Published | None:
    return session.one(Published, "SELECT generation, as_of_block, as_of_date, published_at FROM insight_published")


def found(
    session: Session,
    row: type[Row],
    generation: int,
    order: Sequence[str],
    after: Sequence[Any] | None,
    limit: int,
    **where: Any,
) -> list[Row]:
    """Rows of a generation behind a key; None in `where` means no filter. Columns and order are constants of ours."""
    columns = ", ".join(field.name for field in fields(row))  # type: ignore[arg-type]  # every model is a dataclass
    asked = {name: value for name, value in where.items() if value is not None}
    conditions = "".join(f" AND {name} = %({name})s" for name in asked)
    if after:
        conditions += f" AND ({_behind(order)})"
        asked |= {f"after_{number}": value for number, value in enumerate(after)}
    return session.all(
        row,
        f"""SELECT {columns} FROM {MODELS[row].table} WHERE generation = %(generation)s{conditions}
            ORDER BY {", ".join(order)} LIMIT %(limit)s""",
        {**asked, "generation": generation, "limit": limit},
    )


def _behind(order: Sequence[str]) -> str:
    """Each column may break a tie of those before it, upwards or downwards."""
    columns = [column.removesuffix(" DESC") for column in order]
    ties = [f"{column} = %(after_{number})s" for number, column in enumerate(columns)]
    signs = ["<" if column.endswith(" DESC") else ">" for column in order]
    steps = [f"{column} {signs[number]} %(after_{number})s" for number, column in enumerate(columns)]
    return " OR ".join(" AND ".join([*ties[:number], step]) for number, step in enumerate(steps))


def profile(session: Session, member_id: UUID) -> MemberProfile | None:
    """Only while the member consents, whatever was published."""
    return session.one(
        MemberProfile,
        """SELECT i.member_id, i.rfm, i.volume, i.variety, i.price_range, i.brand
           FROM insight_members i
           JOIN insight_published p USING (generation)
           JOIN consenting_members USING (member_id)
           WHERE i.member_id = %s""",
        (member_id,),
    )
