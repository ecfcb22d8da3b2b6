"""The points that products earn.

`app.main` provides the function, because rules and offers are packages above the catalogue.
"""

from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from app.catalog.models import Earning, Product
from app.clock import Clock
from app.db import Session

Earnings = Callable[[Session, Sequence[Product], Clock], dict[UUID, Earning]]
"""Returns, by product id, what one unit of each product would earn any member now; `app.main` sets it."""


async def _earnings(request: Request) -> Earnings:
    earnings: Earnings = request.app.state.earnings
    return earnings


Earns = Annotated[Earnings, Depends(_earnings)]
