"""Lays out the drawing of a flow, a sheet, in columns: no line crosses a box, and no two labels share a place.

Each line leaves its box at a port of its own, runs level under its label, and slants to the next column only after
that. A line that passes a column takes a lane between that column's boxes. All steps of pipelines are in one column.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from stacks.offline.connections import Connection
from stacks.offline.drawing import Box
from stacks.offline.parts import Part

WIDTH, LEVEL, SLANT, END = 206, 124, 84, 12
PORT, GAP, LANE = 20, 26, 20
_SWEEPS = 4
_Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """The line that draws a connection; `label` is the point in the middle of its label's baseline."""

    connection: Connection
    points: tuple[_Point, ...]
    label: _Point


class Layers:
    """The places of the parts' boxes and the connections' lines; `left`, `top` is the drawing's upper left corner."""

    def __init__(self, parts: Iterable[Part], connections: Sequence[Connection], left: float, top: float) -> None:
        self.parts = {part.key: part for part in parts}
        self.calls = [each for each in connections if not each.then]
        self.steps = {key for each in connections if each.then for key in (each.source, each.target)}
        ranks = self._ranks()
        self.chains = {each: self._chain(each, ranks) for each in self.calls}
        self.columns = self._columns(ranks)
        self._order()
        self.left, self.top = left, top
        self.boxes = self._boxes()
        self.lines = sorted((self._line(each) for each in self.calls), key=lambda line: line.points[0])
        self.lines += [self._down(each) for each in connections if each.then]

    @property
    def right(self) -> float:
        return max((box.right for box in self.boxes.values()), default=self.left)

    @property
    def bottom(self) -> float:
        return max((box.bottom for box in self.boxes.values()), default=self.top)

    def _ranks(self) -> dict[str, int]:
        """Returns each part's column: to the right of all its callers or, without any, to the left of what it calls."""
        ranks = dict.fromkeys(self.parts, 0)
        for _ in self.parts:
            for call in self.calls:
                ranks[call.target] = max(ranks[call.target], min(ranks[call.source] + 1, len(ranks)))
            ranks.update(dict.fromkeys(self.steps, max((ranks[key] for key in self.steps), default=0)))
        for key in self.parts.keys() - self.steps - {call.target for call in self.calls}:
            called = [ranks[call.target] for call in self.calls if call.source == key]
            ranks[key] = min(called, default=1) - 1
        return ranks

    def _chain(self, call: Connection, ranks: dict[str, int]) -> list[str]:
        between = range(ranks[call.source] + 1, ranks[call.target])
        return [call.source, *(f"{call.source}>{call.target}@{rank}" for rank in between), call.target]

    def _columns(self, ranks: dict[str, int]) -> list[list[str]]:
        columns: list[list[str]] = [[] for _ in range(max(ranks.values(), default=0) + 1)]
        for key, rank in ranks.items():
            columns[rank].append(key)
        for chain in self.chains.values():
            for offset, lane in enumerate(chain[1:-1], 1):
                columns[ranks[chain[0]] + offset].append(lane)
        return columns

    def _order(self) -> None:
        """Sorts each column's boxes by their neighbours' mean position, left and right in turn: fewer lines cross."""
        links = [link for chain in self.chains.values() for link in pairwise(chain)]
        for sweep in range(_SWEEPS):
            columns = self.columns if sweep % 2 == 0 else self.columns[::-1]
            ways = links if sweep % 2 == 0 else [(target, source) for source, target in links]
            place: dict[str, float] = {}
            for column in columns:
                if not self.steps & set(column):
                    column.sort(key=lambda key: _middle([place[a] for a, b in ways if b == key and a in place]))
                place |= {key: (index + 0.5) / len(column) for index, key in enumerate(column)}

    def _boxes(self) -> dict[str, Box]:
        heights = [sum(self._height(key) + GAP for key in column) - GAP for column in self.columns]
        boxes = {}
        for rank, column in enumerate(self.columns):
            x, y = self.left + rank * (WIDTH + LEVEL + SLANT + END), self.top + (max(heights) - heights[rank]) / 2
            for key in column:
                boxes[key] = Box(x, y, WIDTH, self._height(key))
                y = boxes[key].bottom + GAP
        return boxes

    def _height(self, key: str) -> float:
        if key not in self.parts:
            return LANE
        ports = max(sum(key == call.source for call in self.calls), sum(key == call.target for call in self.calls))
        return max(34 + 15 * len(self.parts[key].lines), PORT * ports + 10)

    def _port(self, key: str, other: str, right: bool) -> float:
        """Returns the y at which the line between `key` and `other` meets the right (or left) side of `key`'s box."""
        side = 0 if right else 1
        links = {link for chain in self.chains.values() for link in pairwise(chain)}
        others = sorted((link[1 - side] for link in links if link[side] == key), key=lambda at: self.boxes[at].y)
        box = self.boxes[key]
        return box.y + box.height / 2 + PORT * (others.index(other) - (len(others) - 1) / 2)

    def _line(self, call: Connection) -> Line:
        chain, points = self.chains[call], list[_Point]()
        for source, target in pairwise(chain):
            leaves, meets = self._port(source, target, right=True), self._port(target, source, right=False)
            out, into = self.boxes[source].right, self.boxes[target].x
            points += [(out, leaves), (out + LEVEL, leaves), (into - END, meets), (into, meets)]
        return Line(call, tuple(points), (points[0][0] + LEVEL / 2, points[0][1] - 4))

    def _down(self, step: Connection) -> Line:
        above, below = self.boxes[step.source], self.boxes[step.target]
        return Line(step, ((above.middle, above.bottom), (below.middle, below.y)), (above.middle, above.bottom))


def _middle(places: Sequence[float]) -> float:
    return sum(places) / len(places) if places else 0.5
