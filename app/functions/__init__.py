"""Lambda handlers, one file each. On one machine a loop calls the same functions with the same events."""

from functools import cache

from app.db import JOBS, Database
from app.settings import settings


@cache
def database() -> Database:
    """One for each warm function."""
    return Database.open(settings(), JOBS)
