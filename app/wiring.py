"""FastAPI dependencies: the application's database, clock and settings."""

from typing import Annotated

from fastapi import Depends, Request

from app.clock import Clock
from app.db import Database
from app.settings import Settings


async def _db(request: Request) -> Database:
    db: Database = request.app.state.db
    return db


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Db = Annotated[Database, Depends(_db)]
Time = Annotated[Clock, Depends(_clock)]
Config = Annotated[Settings, Depends(_settings)]
