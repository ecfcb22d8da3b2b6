"""The check of `make analytics` on one week of data: the warehouse's results equal pandas' to the cent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from rich.console import Console

from app.db import Database
from app.local import journey
from app.local.journey import Basket
from tests.analytics import independent, pipeline


@pytest.mark.slow
def test_the_first_week_is_told_alike_by_the_warehouse_and_by_pandas(
    db: Database, sealing: Database, superuser_url: str, cloud: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = journey.read()
    baskets = [event for event in whole.events(0, whole.events_in(1)) if isinstance(event, Basket)]
    sold = {line.product for basket in baskets for line in basket.lines}
    source = replace(whole, goods=[goods for goods in whole.goods if goods.number in sold])
    server, _, name = superuser_url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}_warehouse")
        outcome = pipeline.run(
            db, sealing, f"{server}/{name}_warehouse", cloud("s3"), 1, source, pipeline.Steps(), Console(stderr=True)
        )
        admin.execute(f"DROP DATABASE {name}_warehouse WITH (FORCE)")
    checked = independent.lines(independent.headlines_of_models(outcome), independent.headlines(1))
    assert [headline for headline, *_, equal in checked if not equal] == []
    assert len(checked) == 5
