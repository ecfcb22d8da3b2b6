"""State machines as tables: for each event and state, the next state or the reason for a refusal.

The tables are in the packages' models. A service gets the next state from `move`; its repository's UPDATE matches the
row only in a state that `was` returns, so that of two concurrent requests only one moves the state:

    after = CLAIM.move(claim.state, ClaimEvent.ACCEPT)                     # raises WrongState
    CLAIM.must_move(repository.set_state(session, claim, CLAIM.was(ClaimEvent.ACCEPT, after)))
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Self, TypeVar

from app.errors import WrongState

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True)
class Refused:
    """A cell of a state machine that refuses the event; `why` ends a message such as "the claim is accepted: …"."""

    why: str


@dataclass(frozen=True)
class Machine(Generic[S, E]):
    """A state machine. `starts` are its initial states; `table` has the next state by event and state."""

    name: str
    states: type[S]
    events: type[E]
    starts: tuple[S, ...]
    table: Mapping[E, Mapping[S, S | Refused]]

    @classmethod
    def of(
        cls, name: str, states: type[S], events: type[E], starts: tuple[S, ...], rows: Mapping[E, Sequence[S | Refused]]
    ) -> Self:
        """Build a machine from one row per event, each with a cell for every state in the order of `states`."""
        return cls(
            name, states, events, starts, {event: dict(zip(states, row, strict=True)) for event, row in rows.items()}
        )

    def move(self, state: S, event: E) -> S:
        """Return the state after the event. Raises WrongState if the table refuses it."""
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
        """Raise WrongState if an UPDATE changed 0 `rows`, because another transaction had changed the state before."""
        if not rows:
            raise WrongState(f"the {self.name} was changed by another request meanwhile: read it again")

    def cells(self) -> Iterator[tuple[E, S, S | Refused]]:
        for event, row in self.table.items():
            for state, after in row.items():
                yield event, state, after

    def missing(self) -> list[tuple[E, S]]:
        """Return the events and states for which the table has no cell; a test requires that there are none."""
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
