"""Draws the boxes and arrows of an architecture diagram as SVG. Units are pixels; y grows downwards."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Kind = Literal["plain", "zone", "network", "compute", "data", "storage", "security", "watching"]
_FILL = {
    "plain": "#ffffff",
    "zone": "#f7f8fa",
    "network": "#ede4fb",
    "compute": "#fde9d3",
    "data": "#dbe8fc",
    "storage": "#dff2e1",
    "security": "#fbdfe0",
    "watching": "#fbe3f1",
}
_LINE, _TEXT, _QUIET = "#4a5568", "#1a202c", "#5a6577"
_LETTER = 6.1  # approximate width of a letter of 11 px


@dataclass(frozen=True)
class Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def row(self, count: int, gap: float = 8) -> list["Box"]:
        width = (self.width - gap * (count - 1)) / max(count, 1)
        return [Box(self.x + i * (width + gap), self.y, width, self.height) for i in range(count)]

    def inside(self, left: float, top: float, right: float, bottom: float) -> "Box":
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


@dataclass
class Drawing:
    width: int
    height: int
    title: str
    _below: list[str] = field(default_factory=list)
    _arrows: list[str] = field(default_factory=list)
    _above: list[str] = field(default_factory=list)

    @property
    def _head(self) -> str:
        """The arrowhead's id, unique to this drawing: browsers draw no arrowhead that a hidden drawing defines."""
        return "head-" + "".join(letter if letter.isalnum() else "-" for letter in self.title)

    def frame(self, box: Box, label: str, kind: Kind = "plain", dashed: bool = False) -> Box:
        """Draws a frame around other boxes, with its label in the upper left corner."""
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        self._below.append(_rect(box, kind, f'rx="8"{dash}'))
        self._above.append(
            _text(box.x + 10, box.y + 17, label, 12, "start", bold=True, halo=_FILL[kind], colour=_QUIET)
        )
        return box

    def text(self, x: float, y: float, text: str, size: int, bold: bool = False) -> None:
        """Writes a line of text that begins at `x`."""
        self._above.append(_text(x, y, text, size, "start", bold=bold))

    def box(self, box: Box, title: str, lines: Iterable[str] = (), kind: Kind = "plain", key: str = "") -> Box:
        """Draws a box with a centred title, and lines below it, cut if too long. `key` is the key of the box's part."""
        fits = int((box.width - 8) / _LETTER)
        shown = [_cut(line, fits) for line in lines]
        self._below.append(_rect(box, kind, f'rx="5" data-part="{escape(key)}"' if key else 'rx="5"'))
        top = box.y + box.height / 2 - 7.5 * len(shown) + 4
        self._above.append(_text(box.middle, top, _cut(title, int(fits * 0.95)), 12, "middle", bold=True))
        self._above += [_text(box.middle, top + 15 * (i + 1), line, 11, "middle") for i, line in enumerate(shown)]
        return box

    def arrow(
        self, *points: tuple[float, float], label: str = "", at: tuple[float, float], ends: tuple[str, str]
    ) -> None:
        """Draws an arrow through the points, between the boxes named `ends`, with its label's middle at `at`."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        named = f'data-from="{escape(ends[0])}" data-to="{escape(ends[1])}"'
        self._arrows.append(
            f'<polyline points="{path}" {named} fill="none" stroke="{_LINE}" stroke-width="1.4" '
            f'marker-end="url(#{self._head})"/>'
        )
        if label:
            self._above.append(_text(*at, _cut(label, 22), 11, "middle", colour=_QUIET))

    def svg(self) -> str:
        head = (
            f'<defs><marker id="{self._head}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" '
            f'orient="auto-start-reverse"><path d="M0 0L8 4L0 8z" fill="{_LINE}"/></marker></defs>'
        )
        body = "\n".join([*self._below, *self._arrows, *self._above])
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" font-family="system-ui, Helvetica, Arial, sans-serif">\n'
            f"<title>{escape(self.title)}</title>\n{head}\n"
            f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>\n{body}\n</svg>\n'
        )


def _rect(box: Box, kind: Kind, more: str) -> str:
    return (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" {more} '
        f'fill="{_FILL[kind]}" stroke="{_LINE}" stroke-width="1"/>'
    )


def _text(
    x: float, y: float, text: str, size: int, anchor: str, bold: bool = False, halo: str = "", colour: str = _TEXT
) -> str:
    weight = ' font-weight="600"' if bold else ""
    around = f' stroke="{halo}" stroke-width="4" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{weight}{around}>'
        f"{escape(text)}</text>"
    )


def _cut(text: str, fits: int) -> str:
    return text if len(text) <= fits else text[: max(fits - 1, 1)] + "…"
