"""Draw line, bar and heat-map plots as SVG (the same bytes for the same data) or PNG.

matplotlib is installed only with the development tools, so it is imported when a plot is drawn.
"""

import calendar
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import BadInput, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterator

MONTHS = calendar.month_abbr[1:]
WEEKS = [str(number) for number in range(1, 54)]
_SIZE = (9.0, 4.5)
_STYLE: Any = {
    "svg.hashsalt": "rewards",
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 10,
}


def lines(path: Path, title: str, series: Mapping[str, Sequence[tuple[datetime, float]]], *, y: str) -> None:
    """Plot each series as a line over time."""
    with _figure(path, title) as (figure, axes):
        from matplotlib import dates  # noqa: PLC0415

        for name, points in series.items():
            axes.plot([at for at, _ in points], [value for _, value in points], label=name)
        axes.set(ylabel=y)
        formatter = dates.ConciseDateFormatter(axes.xaxis.get_major_locator())  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)
        if len(series) > 1:
            figure.legend(loc="outside right upper", frameon=False)


def bars(path: Path, title: str, values: Mapping[str, float], *, x: str) -> None:
    """Plot horizontal bars, the first value on top."""
    with _figure(path, title) as (_, axes):
        axes.barh(list(values), list(values.values()), color="#3b6ea5")
        axes.invert_yaxis()
        axes.set(xlabel=x)


def heat(path: Path, title: str, columns: Sequence[str], cells: Sequence[tuple[str, str, float]], *, of: str) -> None:
    """Plot (column, row, value) cells as a heat map: white at 1, red above, blue below, grey where a cell is missing.

    `of` labels the colors. Raises BadInput if there are no cells.
    """
    if not cells:
        raise BadInput("there is nothing to draw")
    rows = list(dict.fromkeys(row for _, row, _ in cells))
    with _figure(path, title, height=1.5 + 0.28 * len(rows)) as (figure, axes):
        grid = [[float("nan")] * len(columns) for _ in rows]
        for column, row, value in cells:
            grid[rows.index(row)][columns.index(column)] = value
        axes.set_facecolor("lightgrey")
        image = axes.imshow(grid, cmap="RdBu_r", vmin=0, vmax=2, aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        figure.colorbar(image, label=of, extend="max")


def check_type(path: Path) -> None:
    """Raise BadInput if the path ends in neither .svg nor .png."""
    if path.suffix not in {".svg", ".png"}:
        raise BadInput(f"{path} must end in .svg or .png")


@contextmanager
def _figure(path: Path, title: str, height: float = _SIZE[1]) -> "Iterator[tuple[Any, Any]]":
    """Yield a figure and its axes, and save the figure to the file when the `with` block ends.

    Raises Misconfigured if matplotlib is not installed, BadInput if the file can't be written.
    """
    check_type(path)
    try:
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise Misconfigured("plots need matplotlib: install the development tools by `make .venv/.all`") from None
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_SIZE[0], height), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title, loc="left")
        yield figure, axes
        try:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        except OSError as error:
            raise BadInput(f"{path} can't be written: {error.strerror}") from None
