"""Tests of a client that openapi-python-client generates from the served document: it is typed, and it works."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import openapi_python_client
import pytest
from openapi_python_client.config import Config, ConfigFile, MetaType

from app.ids import new_id
from app.signing import Role
from tests.conftest import Token
from tests.server.conftest import Served, serving
from tests.shop import Shop

PACKAGE = "generated_rewards_client"
# The generator knows no text/csv; what a feed is sent as is a file to it.
CONFIG = ConfigFile(post_hooks=[], content_type_overrides={"text/csv": "application/octet-stream"})

Call = Callable[..., Any]


@pytest.fixture
def served(settings: Any) -> Iterator[Served]:
    with serving(settings) as running:
        yield running


@pytest.fixture
def generated(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Call]:
    """Generate the API client, and yield a function that imports one of its modules by name."""
    source = f"http://127.0.0.1:{served.port}/openapi.json"
    config = Config.from_sources(CONFIG, MetaType.NONE, source, "utf-8", overwrite=True, output_path=tmp_path / PACKAGE)
    assert not openapi_python_client.generate(config=config)
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str) -> ModuleType:
        return importlib.import_module(f"{PACKAGE}.{name}")

    yield module
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture
def caller(generated: Call, served: Served, token: Token) -> Callable[[Role, UUID], Any]:
    def client(role: Role, subject: UUID) -> Any:
        bearer = token(role, subject)["Authorization"].removeprefix("Bearer ")
        return generated("client").AuthenticatedClient(f"http://127.0.0.1:{served.port}", bearer)

    return client


def test_a_generated_client_orders_looks_and_is_refused(
    generated: Call, caller: Callable[[Role, UUID], Any], shop: Shop
) -> None:
    """The client places an order, reads a wallet, and gets each refusal as a typed problem document."""
    models, product = generated("models"), shop.product()
    member = caller(Role.MEMBER, shop.member())
    order = models.OrderIn(lines=[models.OrderLineIn(product_id=product, units=2)])
    place = generated("api.orders.place_order").sync

    with member as client:
        placed = place(client=client, body=order, idempotency_key="first")
        assert isinstance(placed, models.OrderOut)
        assert [line.product_id for line in placed.lines] == [product]
        wallet = generated("api.rewards.get_wallet").sync(client=client)
        assert isinstance(wallet, models.WalletOut)
        assert wallet.pending == placed.earns > 0

        paying = models.OrderIn(lines=order.lines, pay_points=1)
        poor = place(client=client, body=paying, idempotency_key="second")
        unknown = generated("api.orders.get_order").sync(new_id(), client=client)
        refused = generated("api.rewards.list_payments").sync(client=client)
    assert isinstance(poor, models.Problem)
    assert (poor.status, poor.title, poor.errors) == (402, "Not enough points", [])
    assert isinstance(unknown, models.Problem)
    assert (unknown.status, unknown.type_) == (404, "urn:rewards:problem:not-found")
    assert isinstance(refused, models.Problem)
