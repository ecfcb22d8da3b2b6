"""Lambda handlers, one module each. On one machine a loop calls them with the same events."""

from functools import cache

from app.db import JOBS, Database
from app.settings import settings


@cache
def database() -> Database:
    """Return the database, opened once for each warm function."""
    return Database.open(settings(), JOBS)
