"""State machines as tables: what each event makes of each state, or why it is refused there.

A machine is data in its package's models. Its service asks `move` for the next state, and its repository's UPDATE asks
`was` for the states that the event may come from, so that nothing is moved twice:

    after = CLAIM.move(claim.state, ClaimEvent.ACCEPT)                     # raises WrongState
    CLAIM.must_move(repository.set_state(session, claim, CLAIM.was(ClaimEvent.ACCEPT, after)))
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from app.errors import WrongState

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class Refused:
    """A cell of a table: the event does not count in that state. `why` follows "the claim is accepted: "."""

    why: str


@dataclass(frozen=True)
class Machine(Generic[S, E]):
    """`starts` are the states that a new one may have; `table` has a row for each event and in it each state."""

    name: str
    states: type[S]
    events: type[E]
    starts: tuple[S, ...]
    table: Mapping[E, Mapping[S, S | Refused]]

    def move(self, state: S, event: E) -> S:
        """The state that the event leads to. Raises WrongState, which is a Conflict."""
        after = self.table[event][state]
        if isinstance(after, Refused):
            raise WrongState(f"the {self.name} is {state}: {after.why}")
        return after

    def allows(self, state: S, event: E) -> bool:
        return not isinstance(self.table[event][state], Refused)

    def was(self, event: E, after: S) -> list[S]:
        """The states from which the event leads there: what an UPDATE asks for by `state = ANY(%s)`."""
        return [state for state in self.states if self.table[event][state] == after]

    def must_move(self, rows: int) -> None:
        """Raises WrongState where the UPDATE met no row: another transaction moved it first."""
        if not rows:
            raise WrongState(f"the {self.name} was changed by another request meanwhile: read it again")

    def cells(self) -> Iterator[tuple[E, S, S | Refused]]:
        for event, row in self.table.items():
            for state, after in row.items():
                yield event, state, after

    def missing(self) -> list[tuple[E, S]]:
        """Cells that nobody declared: none, or the machine is wrong."""
        return [
            (event, state) for event in self.events for state in self.states if state not in self.table.get(event, {})
        ]

    def diagram(self) -> str:
        """The moves as a mermaid state diagram; events that lead from and to the same states share an arrow."""
        arrows: dict[tuple[S, S], list[str]] = {}
        for event, state, after in self.cells():
            if not isinstance(after, Refused):
                arrows.setdefault((state, after), []).append(event.replace("_", " "))
        final = [state for state in self.states if all(before != state or after == state for before, after in arrows)]
        lines = ["stateDiagram-v2"]
        lines += [f"    [*] --> {state}" for state in self.starts]
        lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
        lines += [f"    {state} --> [*]" for state in final]
        return "\n".join(lines)
