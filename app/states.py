"""State machines as tables: each event's next state from each state, or why it is refused.

A machine is data in its package's models. Its service asks `move` for the next state, and its repository's UPDATE asks
`was` for the states that the event may start from, so that concurrent requests can't both move:

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
    """A cell for an event that the state refuses. `why` follows "the claim is accepted: "."""

    why: str


@dataclass(frozen=True)
class Machine(Generic[S, E]):
    """A state machine. `starts` are the initial states; `table` has a row for each event, with each state."""

    name: str
    states: type[S]
    events: type[E]
    starts: tuple[S, ...]
    table: Mapping[E, Mapping[S, S | Refused]]

    def move(self, state: S, event: E) -> S:
        """Return the event's next state. Raises WrongState, which is a Conflict."""
        after = self.table[event][state]
        if isinstance(after, Refused):
            raise WrongState(f"the {self.name} is {state}: {after.why}")
        return after

    def allows(self, state: S, event: E) -> bool:
        return not isinstance(self.table[event][state], Refused)

    def was(self, event: E, after: S) -> list[S]:
        """Return the states from which the event leads to `after`, for an UPDATE's `state = ANY(%s)`."""
        return [state for state in self.states if self.table[event][state] == after]

    def must_move(self, rows: int) -> None:
        """Raise WrongState if the UPDATE matched no row: another transaction moved it first."""
        if not rows:
            raise WrongState(f"the {self.name} was changed by another request meanwhile: read it again")

    def cells(self) -> Iterator[tuple[E, S, S | Refused]]:
        for event, row in self.table.items():
            for state, after in row.items():
                yield event, state, after

    def missing(self) -> list[tuple[E, S]]:
        """Return the undeclared cells, which a correct machine has none of."""
        return [
            (event, state) for event in self.events for state in self.states if state not in self.table.get(event, {})
        ]

    def diagram(self) -> str:
        """Return the transitions as a mermaid state diagram; events between the same states share an arrow."""
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
