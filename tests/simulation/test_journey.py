"""Test that a simulated promotion gives the same points as loading the shopping year with that promotion."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from app.local import journey
from app.local.journey import Basket
from tests.analytics import simulation
from tests.conftest import Fresh

EVENTS = 1_500


@pytest.mark.slow
def test_a_promotion_is_simulated_as_the_shopping_year_is_loaded_with_it(fresh: Fresh, tmp_path: Path) -> None:
    whole, quiet = journey.read(), Console(quiet=True)
    baskets = [event for event in whole.events(0, EVENTS) if isinstance(event, Basket)]
    needed = {line.product for basket in baskets for line in basket.lines}
    goods = [goods for goods in whole.goods if goods.number in needed]
    source = replace(whole, goods=goods, _events=whole._events.iloc[:EVENTS])
    with fresh("template") as plain, fresh("template") as promoted:
        without = simulation.load(plain, 1, source, quiet, promoted=False)
        beside = simulation.load(promoted, 1, source, quiet, promoted=True)
        simulated = simulation.simulate(plain, 1, without.last_day, tmp_path)
    assert beside.gift > 0
    assert beside.came_back > without.came_back
    assert simulation.report(simulated, without, beside, quiet)
