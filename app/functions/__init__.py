"""AWS Lambda handlers, one module each. Without AWS, app.local.workers calls them with events of the same form."""

from functools import cache

from app.clock import Clock, clock_for
from app.db import JOBS, Database
from app.settings import settings


@cache
def database() -> Database:
    """Return the database; it is opened once per process and stays open between calls of the handler."""
    return Database.open(settings(), JOBS)


def clock() -> Clock:
    return clock_for(settings().clock_file)
