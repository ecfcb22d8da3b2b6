"""Logs as JSON lines, without text that people type, since no erasure reaches logs.

Tracebacks have no local variables, which hold tokens and passwords; access lines have no query; and database errors
have no details, which quote rows.
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
    """Log a line that alarms read, at every log level; without it all alarms would fire."""
    structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=structlog.BoundLogger).info(event, **values)


def _without_details(_: Any, __: str, line: Any) -> Any:
    return {name: _DETAILS.sub("(not logged)", text) if isinstance(text, str) else text for name, text in line.items()}


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query off; uvicorn's arguments are client, method, path, HTTP version and status."""
    if isinstance(record.args, tuple):
        record.args = tuple(part.partition("?")[0] if isinstance(part, str) else part for part in record.args)
    return True
