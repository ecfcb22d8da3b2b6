"""Read and create categories of products, and change their return terms."""

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from app import ledger
from app.catalog import categories_repository as repository
from app.catalog.models import Category
from app.db import WriteSession
from app.errors import NotFound
from app.ids import derived_id
from app.text import fold

has_category = repository.has_category
categories = repository.categories


def category_id_of(department: str, category: str) -> UUID:
    return derived_id("category", department, category)


def change_category(session: WriteSession, category_id: UUID, changes: Mapping[str, Any]) -> Category:
    """Change the return terms of a category's products, for orders from now on. Raises NotFound.

    `changes` may have the keys `return_window_days` and `return_terms` (a dict by kind of term); None removes a term.
    """
    changed = repository.change_category(session, category_id, changes)
    if changed is None:
        raise NotFound(f"there is no category {category_id}")
    ledger.append(session, "categories", category_id, changed)
    return changed


def ids_of(session: WriteSession, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], UUID]:
    """Return category ids by (department, name), ignoring case and spaces; missing categories are created."""
    existing = repository.category_ids(session) if pairs else {}
    folded = {(fold(department), fold(name)): category_id for (department, name), category_id in existing.items()}
    ids: dict[tuple[str, str], UUID] = {}
    missing = []
    for pair in sorted(set(pairs) - existing.keys()):
        key = fold(pair[0]), fold(pair[1])
        if key not in folded:
            folded[key] = category_id_of(*pair)
            missing.append((folded[key], *pair))
        ids[pair] = folded[key]
    if missing:
        repository.add_categories(session, missing)
    return existing | ids
