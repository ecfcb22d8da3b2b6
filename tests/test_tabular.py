"""Tests of the tables that commands print."""

import io

from rich.console import Console

from app.insights.warehouse.models import SalesKind, YearSales
from app.tabular import show


def screen(*rows: YearSales) -> str:
    printed = Console(file=io.StringIO(), width=160)
    show("Sales by year", YearSales, rows, as_csv=False, screen=printed)
    assert isinstance(printed.file, io.StringIO)
    return printed.file.getvalue()


def test_a_year_is_no_amount() -> None:
    printed = screen(YearSales(2017, SalesKind.ALL, "all", 10, 1200, 1100, 26_695_934))
    assert "│ 2017 " in printed
    assert "26,695,934" in printed


def test_no_rows_are_said_to_be_none() -> None:
    assert screen() == "Sales by year: nothing\n"
