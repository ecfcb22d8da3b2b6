"""Logs as JSON lines, without what people type: no erasure reaches them.

A trace holds no local variables: tokens and passwords live in those. A request's line holds no query, and an error of
the database no details: those quote the row.
"""

import logging
import re
from typing import Any

import structlog

_DETAILS = re.compile(r"^(?:DETAIL|CONTEXT): .*$", re.MULTILINE)


def configure(level: str) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _without_details,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
    )
    requests = logging.getLogger("uvicorn.access")
    if _without_query not in requests.filters:
        requests.addFilter(_without_query)


def figures(event: str, **values: float) -> None:
    """A line that alarms read, whatever the level: without it they would all fire."""
    structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.BoundLogger).info(event, **values)


def _without_details(_: Any, __: str, line: Any) -> Any:
    return {name: _DETAILS.sub("(not logged)", text) if isinstance(text, str) else text for name, text in line.items()}


def _without_query(record: logging.LogRecord) -> bool:
    """Cuts the query off; uvicorn's arguments are client, method, path, HTTP's version and status."""
    if isinstance(record.args, tuple):
        record.args = tuple(part.partition("?")[0] if isinstance(part, str) else part for part in record.args)
    return True
