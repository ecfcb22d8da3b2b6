"""Make and drop what a preview of a pull request needs before its deployment: a database and a Kubernetes namespace.

The environment that hosts previews does this, by code that was merged. A preview's own code may only request it.
"""

import re
from typing import Any

from psycopg import Connection

from app.errors import BadInput
from app.hosting import repository
from app.hosting.namespaces import Namespaces

_NAME = re.compile(r"pr-[1-9]\d{0,8}")


def database_of(preview: str) -> str:
    """Return the name of a preview's database and login. Raises BadInput unless `preview` is like pr-123."""
    if not _NAME.fullmatch(preview):
        raise BadInput(f"{preview!r} is not a preview's name, like pr-123")
    return preview.replace("-", "_")


def begin(admin: Connection[Any], namespaces: Namespaces, preview: str) -> None:
    """Make the preview's database, login and namespace, where missing.

    Raises Conflict if the preview's login could connect to a database that is no preview's.
    """
    repository.make_database(admin, database_of(preview))
    namespaces.make(preview)


def end(admin: Connection[Any], namespaces: Namespaces, preview: str) -> None:
    """Drop the namespace with all that runs in it, then the database; do nothing if they do not exist."""
    database = database_of(preview)
    namespaces.drop(preview)
    repository.drop_database(admin, database)
