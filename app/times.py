"""Instants that a request may name: within what every part can hold, with a zone."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _within(instant: datetime) -> datetime:
    if not _FIRST <= instant <= _LAST:
        raise ValueError(f"must be from {_FIRST:%Y} to {_LAST:%Y}")
    return instant


Instant = Annotated[AwareDatetime, AfterValidator(_within)]
