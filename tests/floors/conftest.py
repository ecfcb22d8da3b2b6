"""Fixtures of the tests of floors: announcements with the function's own database login."""

from collections.abc import Callable
from typing import Any

import pytest

from app import logins
from app.floors import service
from app.floors.service import Announcement
from app.settings import Settings
from tests.shop import Shop

Announce = Callable[..., Announcement]


@pytest.fixture
def parameters(cloud: Callable[[str], Any]) -> Any:
    """A client of the mocked SSM."""
    return cloud("ssm")


@pytest.fixture
def announce(shop: Shop, settings: Settings, parameters: Any) -> Announce:
    """Return a function that announces the floors, with the settings' values that it is given changed."""

    def announced(parameters: Any = parameters, **changes: Any) -> Announcement:
        changed = settings.model_copy(update=changes)
        return service.announce(shop.under(logins.PLANNING), changed, shop.clock, parameters)

    return announced
