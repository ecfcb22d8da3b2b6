"""SQL for product categories."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from app.catalog.models import Category
from app.db import Session, WriteSession, as_json

_CATEGORY = """category_id, department, name, return_window_days, coalesce(return_terms, '{}') AS return_terms"""


def has_category(session: Session, category_id: UUID) -> bool:
    return bool(session.value("SELECT EXISTS (SELECT FROM categories WHERE category_id = %s)", (category_id,)))


def categories(session: Session, after: tuple[str, str] | None, limit: int) -> list[Category]:
    """Return categories sorted by (department, name), starting after the pair `after`."""
    return session.all(
        Category,
        f"""SELECT {_CATEGORY} FROM categories
            {"WHERE (department, name) > (%(department)s, %(name)s)" if after else ""}
            ORDER BY department, name LIMIT %(limit)s""",
        {**dict(zip(("department", "name"), after or (), strict=False)), "limit": limit},
    )


def category_ids(session: Session) -> dict[tuple[str, str], UUID]:
    """Return the ids of all categories by (department, name)."""
    rows = session.rows("SELECT department, name, category_id FROM categories ORDER BY category_id")
    return {(department, name): category_id for department, name, category_id in rows}


def add_categories(session: WriteSession, categories: Sequence[tuple[UUID, str, str]]) -> None:
    """Insert categories (category_id, department, name); existing ones are left as they are.

    Callers sort them by department and name, so that concurrent inserts cannot deadlock.
    """
    ids, departments, names = zip(*categories, strict=True)
    session.run(
        """INSERT INTO categories (category_id, department, name)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING""",
        (list(ids), list(departments), list(names)),
    )


def change_category(session: WriteSession, category_id: UUID, changes: Mapping[str, Any]) -> Category | None:
    """Change a category's return terms (None removes one); return the category, or None if it doesn't exist."""
    return session.one(
        Category,
        f"""UPDATE categories
            SET return_window_days = CASE WHEN %(windows)s THEN %(days)s::int ELSE return_window_days END,
                return_terms = nullif(jsonb_strip_nulls(coalesce(return_terms, '{{}}') || %(terms)s::jsonb), '{{}}')
            WHERE category_id = %(category)s RETURNING {_CATEGORY}""",
        {
            "category": category_id,
            "windows": "return_window_days" in changes,
            "days": changes.get("return_window_days"),
            "terms": as_json(changes.get("return_terms", {})),
        },
    )
