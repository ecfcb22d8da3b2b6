"""Tests of the nightly warehouse load, and of the reports that analysts then get from API and command line."""

import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app import cli
from app.errors import Misconfigured
from app.ids import new_id
from app.signing import Role
from tests.conftest import Handled, Seal
from tests.shop import Shop


def sold(shop: Shop, seal: Seal) -> None:
    product = shop.product(brand="=cmd()", department="GROCERY")
    for member in shop.members(12):
        shop.order(member, (product, 5))
    assert seal()


def test_the_night_loads_what_was_exported_and_the_api_tells_it(
    handled: Handled, warehouse_url: str, shop: Shop, seal: Seal, caller: Callable[[Role, UUID], Any]
) -> None:
    analyst = caller(Role.ANALYST, new_id())
    paths = ("segments", "price-ranges", "brand-affinity", "seasonal", "areas", "years")
    for path in paths:
        answer = analyst.get(f"/insights/{path}")
        assert (answer.status_code, "loaded each night" in answer.json()["detail"]) == (404, True)
    assert handled("warehouse-load")["as_of_block"] is None
    sold(shop, seal)
    handled("journal-export")
    done = handled("warehouse-load")
    assert (done["exports"], done["sales"], done["as_of_block"]) == (1, 12, 0)
    assert handled("warehouse-load")["exports"] == 0
    [year] = analyst.get("/insights/years").json()["years"]
    assert (year["members"], year["units"], year["revenue_minor"]) == (12, 60, 6_000)
    sizes = analyst.get("/insights/segments", kind="rfm").json()
    assert [segment["members"] for segment in sizes["segments"]] == [12]
    assert sizes["as_of_block"] == 0
    seasons = analyst.get("/insights/seasonal", kind="brand").json()["seasons"]
    assert [(season["units"], season["season_index"]) for season in seasons] == [(60, 1.0)]
    download = analyst.get("/insights/years", kind="brand", format="csv")
    assert download.headers["content-type"].startswith("text/csv")
    assert "brand,'=cmd(),12,60,60,6000" in download.text
    for path in paths:
        assert analyst.get(f"/insights/{path}", format="csv").status_code == 200


@pytest.fixture
def command(warehouse_url: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rewards", "insights", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed, complaint = capfd.readouterr()
        return int(ended.value.code or 0), printed, complaint

    return run


def test_commands_load_show_and_draw(
    command: Any, shop: Shop, seal: Seal, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, complaint = command("segments")
    assert (code, complaint.count("\n")) == (2, 1)
    sold(shop, seal)
    code, printed, _ = command("load")
    assert (code, "loaded 1 exports: 12 lines sold" in printed) == (0, True)
    for name in ("segments", "price-ranges", "brand-affinity", "seasonal", "areas", "years"):
        code, printed, complaint = command(name, "--csv")
        assert (code, complaint) == (0, ""), name
    drawn = []
    for number in range(2):
        path = tmp_path / f"{number}.svg"
        assert command("seasonal", "--plot", str(path))[0] == 0
        drawn.append(path.read_bytes())
    assert drawn[0] == drawn[1]
    assert command("seasonal", "--plot", "a.gif")[0] == 2
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, _, complaint = command("seasonal", "--plot", str(tmp_path / "a.svg"))
    assert (code, "need matplotlib" in complaint, complaint.count("\n")) == (2, True, 1)


def test_without_a_warehouse_the_load_says_what_to_set(bucket: str, handled: Handled) -> None:
    with pytest.raises(Misconfigured, match="REWARDS_WAREHOUSE_URL"):
        handled("warehouse-load")
