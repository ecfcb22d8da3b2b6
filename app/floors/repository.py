"""SQL of the floors that were planned last."""

from typing import Any

from app.db import WriteSession, as_json


def lock_floors(session: WriteSession) -> tuple[int, list[dict[str, Any]]]:
    """Lock the plan until the transaction ends; return how many plans there were, and the last one's floors."""
    ((number, floors),) = session.rows("SELECT number, floors FROM announced_floors FOR UPDATE")
    return number, floors


def set_floors(session: WriteSession, number: int, floors: list[dict[str, Any]]) -> None:
    session.run("UPDATE announced_floors SET number = %s, floors = %s::jsonb", (number, as_json(floors)))
