"""SQL in the application's database: the lock of warehouse loads, and the published results of warehouse queries."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from app.db import Row, Session, WriteSession, as_json
from app.insights.warehouse.models import MODELS, MemberProfile, Published


def new_generation(session: WriteSession) -> int:
    """Return a new generation number, which marks the result rows of one run of the warehouse's queries."""
    return int(session.value("SELECT nextval('insight_generations')"))


def write(session: WriteSession, row: type[Any], generation: int, rows: Sequence[Sequence[Any]]) -> None:
    """Insert a run's (`generation`) result rows into the table of the dataclass `row`; values are in field order."""
    names = [field.name for field in fields(row)]
    table, columns = MODELS[row].table, ", ".join(names)
    session.run(
        f"""INSERT INTO {table} (generation, {columns})
            SELECT %s, {columns} FROM json_populate_recordset(NULL::{table}, %s)""",
        (generation, as_json([dict(zip(names, values, strict=True)) for values in rows])),
    )


def publish(session: WriteSession, published: Published) -> None:
    """Let readers see the results of the run `published.generation`, in place of the results published before."""
    session.run(
        """INSERT INTO insight_published (generation, as_of_block, as_of_date, published_at)
           VALUES (%(generation)s, %(as_of_block)s, %(as_of_date)s, %(published_at)s)
           ON CONFLICT (only_one) DO UPDATE SET generation = excluded.generation, as_of_block = excluded.as_of_block,
               as_of_date = excluded.as_of_date, published_at = excluded.published_at""",
        vars(published),
    )


def forget_others(session: WriteSession, table: str, generation: int, limit: int) -> int:
    """Delete up to `limit` result rows of all runs except `generation` from a table; return how many were deleted."""
    return session.count(
        f"""DELETE FROM {table} WHERE ctid = ANY(ARRAY(
                SELECT ctid FROM {table} WHERE generation <> %s LIMIT %s))""",
        (generation, limit),
    )


def published(session: Session) -> Published | None:
    return session.one(Published, "SELECT generation, as_of_block, as_of_date, published_at FROM insight_published")


def rows_after(
    session: Session,
    row: type[Row],
    generation: int,
    order: Sequence[str],
    after: Sequence[Any] | None,
    limit: int,
    **where: Any,
) -> list[Row]:
    """Return up to `limit` rows of the dataclass `row` that the run `generation` published, sorted by `order`.

    The rows begin after the sort key `after`; None begins with the first. `where` filters by column values; a value of
    None means no filter. Column names must never come from a request.
    """
    columns = ", ".join(field.name for field in fields(row))  # type: ignore[arg-type]  # every model is a dataclass
    filters = {name: value for name, value in where.items() if value is not None}
    conditions = "".join(f" AND {name} = %({name})s" for name in filters)
    if after:
        conditions += f" AND ({_behind(order)})"
        filters |= {f"after_{number}": value for number, value in enumerate(after)}
    return session.all(
        row,
        f"""SELECT {columns} FROM {MODELS[row].table} WHERE generation = %(generation)s{conditions}
            ORDER BY {", ".join(order)} LIMIT %(limit)s""",
        {**filters, "generation": generation, "limit": limit},
    )


def _behind(order: Sequence[str]) -> str:
    """Return the SQL condition for rows after a sort key: each column breaks ties of the columns before it."""
    columns = [column.removesuffix(" DESC") for column in order]
    ties = [f"{column} = %(after_{number})s" for number, column in enumerate(columns)]
    signs = ["<" if column.endswith(" DESC") else ">" for column in order]
    steps = [f"{column} {signs[number]} %(after_{number})s" for number, column in enumerate(columns)]
    return " OR ".join(" AND ".join([*ties[:number], step]) for number, step in enumerate(steps))


def profile(session: Session, member_id: UUID) -> MemberProfile | None:
    """Return a member's published segments; None without the member's consent."""
    return session.one(
        MemberProfile,
        """SELECT i.member_id, i.rfm, i.volume, i.variety, i.price_range, i.brand
           FROM insight_members i
           JOIN insight_published p USING (generation)
           JOIN consenting_members USING (member_id)
           WHERE i.member_id = %s""",
        (member_id,),
    )


def erase(session: WriteSession, member_id: UUID) -> None:
    """Delete a member's segments from all published results."""
    session.run("DELETE FROM insight_members WHERE member_id = %s", (member_id,))
