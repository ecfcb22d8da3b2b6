"""A FastAPI dependency that provides the function to calculate a product's points; `app.main` sets the function."""

from collections.abc import Callable, Sequence
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from app.catalog.models import Earning, Product
from app.clock import Clock
from app.db import Session

Earnings = Callable[[Session, Sequence[Product], Clock], dict[UUID, Earning]]
"""Returns, by product id, the points of one unit for any member now; `app.main` sets the function."""


async def _earnings(request: Request) -> Earnings:
    earnings: Earnings = request.app.state.earnings
    return earnings


Earns = Annotated[Earnings, Depends(_earnings)]
