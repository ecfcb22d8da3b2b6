"""Build the ASGI application from the services that the settings name."""

import asyncio
import gc
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel

from app import logs, metrics, openapi, problems, tracing
from app.admission import Admission
from app.auth import Tokens
from app.clock import Clock, clock_for
from app.db import Database
from app.edge import Edge
from app.errors import Unavailable
from app.migrations import head
from app.offers import terms
from app.readiness import Readiness
from app.routing import Route
from app.settings import SERVICES, Settings
from app.wiring import Db

ABOUT = """
Cash-back and shopping awards: members choose products and order, vendors sell, points wait out the return window,
are confirmed at midnight and are spent. Money is in minor units (cents), points are whole.

Get a token with `rewards token member`, press **Authorize**, and try any call. Every POST takes an
`Idempotency-Key`: sending the same request twice does it once.
"""

YOUNG_OBJECTS = 50_000
"""Garbage collector's generation-0 threshold, in objects; a request for an order leaves a few hundred."""

ROUTES = {
    "catalog": ("catalog.routes",),
    "orders": ("orders.routes",),
    "members": ("members.routes",),
    "vendors": ("vendors.routes",),
    "rewards": ("accounts.routes", "campaigns.program_routes", "campaigns.rules_routes", "night.routes"),
    "offers": ("campaigns.offers_routes", "offers.routes"),
    "ledger": ("ledger.routes",),
    "insights": ("insights.routes", "discounts.routes"),
}
"""The modules with the routers of each service."""


class Health(BaseModel):
    status: str
    schema_version: str


def create_app(settings: Settings | None = None, clock: Clock | None = None) -> FastAPI:
    """Build the application, by default with settings from the environment; its lifespan opens the database."""
    chosen = settings or Settings.load()
    logs.configure(chosen.log_level)
    telemetry = tracing.start("rewards-" + "-".join(chosen.services if chosen.services != SERVICES else ("api",)))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(chosen.places, "request"))
        app.state.db = Database.open(chosen)
        await app.state.tokens.start()
        keeping = asyncio.create_task(app.state.tokens.keep())
        _settle()
        try:
            yield
        finally:
            keeping.cancel()
            app.state.db.close()
            tracing.close(telemetry)

    app: FastAPI = FastAPIOffline(
        title="Rewards", version="0.1.0", description=ABOUT, lifespan=lifespan, redirect_slashes=False
    )
    app.router.route_class = Route
    app.state.settings = chosen
    app.state.clock = clock or clock_for(chosen.clock_file)
    app.state.tokens = Tokens.of(chosen)
    problems.install(app)
    app.state.earnings = terms.earnings
    for service in chosen.services:
        for module in ROUTES[service]:
            app.include_router(import_module(f"app.{module}").router)
    _health(app)
    openapi.describe(app)
    app.add_middleware(Admission, application=app, settings=chosen)
    metrics.install(app, chosen, app.state.clock)
    if telemetry:
        telemetry.watch(app)
    app.middleware_stack = Edge(app, app.build_middleware_stack(), chosen)
    return app


def _settle() -> None:
    """Freeze start-up objects out of the garbage collector, so that requests don't scan them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def _health(app: FastAPI) -> None:
    needed = head()
    readiness = Readiness(needed)

    @app.get("/health/live", tags=["health"], summary="Is the process up?")
    async def check_liveness() -> Health:
        return Health(status="up", schema_version=needed)

    @app.get("/health/ready", tags=["health"], summary="Can it serve?", responses=problems.problems(Unavailable))
    async def check_readiness(db: Db) -> Health:
        """Answer 200 if the database accepts writes, has a free connection and the schema that this code needs."""
        return Health(status="ready", schema_version=await readiness.revision(db))
