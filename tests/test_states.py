"""Tests of all state machines: the tables are complete, docs/states.md shows them, and the database checks states."""

from pathlib import Path
from typing import Any

import pytest

from app.errors import WrongState
from app.machines import MACHINES, illustrated
from app.states import Machine, Refused

PAGE = Path(__file__).parent.parent / "docs" / "states.md"
each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


@each_machine
def test_every_event_is_declared_for_every_state(machine: Machine[Any, Any]) -> None:
    assert machine.missing() == []


@each_machine
def test_every_state_is_reached(machine: Machine[Any, Any]) -> None:
    reached = {after for _, _, after in machine.cells() if not isinstance(after, Refused)}
    assert reached | set(machine.starts) == {state for _, state, _ in machine.cells()}


@each_machine
def test_a_refusal_says_the_state_and_why(machine: Machine[Any, Any]) -> None:
    cells = list(machine.cells())
    assert cells
    for event, state, after in cells:
        if isinstance(after, Refused):
            with pytest.raises(WrongState, match=state):
                machine.move(state, event)
            assert after.why
        else:
            assert machine.move(state, event) is after
            assert state in machine.was(event, after)


def test_an_update_that_met_no_row_is_a_conflict() -> None:
    with pytest.raises(WrongState, match="another request"):
        MACHINES[0].must_move(0)


def test_the_page_of_states_draws_the_tables_as_they_are() -> None:
    page = PAGE.read_text()
    assert all(f"<summary>{machine.name}</summary>" in page for machine in MACHINES)
    assert illustrated(page) == page, "run `make states`"
