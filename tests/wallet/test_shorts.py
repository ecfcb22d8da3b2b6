"""Tests of a lot's short points, which returns could not take: after a redemption, and after a payment."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from app.ids import new_id
from app.wallet import shorts
from app.wallet.models import Lot

BEFORE, FIRST, BETWEEN, SECOND = (UUID(int=number) for number in range(1, 5))


def lot(short: int, *entries: dict[str, Any]) -> Lot:
    pending = Lot.pending(
        member_id=new_id(),
        order_id=new_id(),
        line=1,
        vendor_id=new_id(),
        rule_id=new_id(),
        units=2,
        points=20,
        at=datetime(2026, 3, 2, tzinfo=UTC),
        matures_on=date(2026, 3, 2),
        explanation={"returns": list(entries)} if entries else {},
    )
    return replace(pending, short=short)


TWICE = ({"return_id": str(FIRST), "units": 1, "short": 7}, {"return_id": str(SECOND), "units": 1, "short": 4})


def test_only_what_went_short_after_the_redemption_counts() -> None:
    gone_short = lot(11, *TWICE)
    assert shorts.since(gone_short, BEFORE) == {str(FIRST): 7, str(SECOND): 4}
    assert shorts.since(gone_short, BETWEEN) == {str(SECOND): 4}
    assert shorts.since(gone_short, SECOND) == {}


def test_what_no_return_recorded_counts_with_the_newest() -> None:
    """Early releases did not record short points in a return's entry; such points count as the newest return's."""
    assert shorts.since(lot(11, {"return_id": str(FIRST)}, {"return_id": str(SECOND)}), BETWEEN) == {str(SECOND): 11}
    assert shorts.since(lot(12, *TWICE), BETWEEN) == {str(SECOND): 5}
    assert shorts.since(lot(0, {"return_id": str(FIRST)}), BEFORE) == {}


def test_a_reversed_correction_counts_by_its_reversal() -> None:
    reversed_ = {"reversed": str(BEFORE), "reversal_id": str(SECOND), "short": 3}
    assert shorts.since(lot(3, reversed_), BETWEEN) == {str(SECOND): 3}
    assert shorts.since(lot(3, {"reversed": str(BEFORE), "short": 3}), FIRST) == {}


def test_what_is_paid_is_recovered_and_no_longer_missing() -> None:
    paid = shorts.paid(lot(11, *TWICE), str(FIRST), 5)
    assert (paid.short, paid.recovered) == (6, 5)
    assert shorts.since(paid, BEFORE) == {str(FIRST): 2, str(SECOND): 4}
    without = shorts.without(paid, str(SECOND), 4)
    assert (without.short, without.recovered, shorts.since(without, BEFORE)) == (2, 5, {str(FIRST): 2})


def test_what_is_paid_of_what_no_return_recorded_leaves_the_entries_alone() -> None:
    unrecorded = lot(11, {"return_id": str(FIRST)})
    assert shorts.since(shorts.paid(unrecorded, str(FIRST), 5), BEFORE) == {str(FIRST): 6}


def test_an_entry_is_told_without_what_it_went_short_of() -> None:
    assert shorts.entry(lot(11, *TWICE), str(SECOND)) == {"return_id": str(SECOND), "units": 1}
