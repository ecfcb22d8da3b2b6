"""Logs as JSON lines, without personal data and secrets, because erasing a member doesn't change logs.

Tracebacks have no local variables (tokens, passwords), access lines no query, and database errors no details, which
quote rows.
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
    """Log numbers as one line, whatever the log level, because alarms read the line and fire if it is missing."""
    structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.BoundLogger).info(event, **values)


def _without_details(_: Any, __: str, line: Any) -> Any:
    return {name: _DETAILS.sub("(not logged)", text) if isinstance(text, str) else text for name, text in line.items()}


def _without_query(record: logging.LogRecord) -> bool:
    """Remove the query from the path in a line of uvicorn's access log. Always returns true, to log the line."""
    if isinstance(record.args, tuple):
        record.args = tuple(part.partition("?")[0] if isinstance(part, str) else part for part in record.args)
    return True
