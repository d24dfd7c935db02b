"""How pictures look, in one place: fonts, sizes, class colors, and files with equal bytes.

Figures are made without pyplot, so that nothing is global and no display is asked for.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable
from functools import wraps
from os import PathLike
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from numpy.typing import NDArray

from nadir.config.classes import ClassTable
from nadir.provenance.atomic import write_bytes

INK = "#1f2933"
"""Color of text and of strong lines."""
QUIET = "#7b8794"
"""Color of axes, ticks and notes."""
PAPER = "#ffffff"
"""Background."""
EMPTY = "#f3f5f7"
"""Color of pixels without data."""
ACCENTS = ("#1f6feb", "#d9480f", "#2b8a3e", "#862e9c", "#b08800", "#0b7285")
"""Colors of lines and bars that stand for no class."""
RIGHT, WRONG = "#c8d1d9", "#d6336c"
"""Colors of pixels where a map agrees with the truth, and where it does not."""
DPI = 140
"""Resolution of saved pictures, in dots per inch."""

_LOOK: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with Matplotlib, so looks alike everywhere
    "font.size": 9,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": False,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "image.interpolation": "nearest",
    "text.usetex": False,
    "svg.hashsalt": "nadir",
}

P = ParamSpec("P")
R = TypeVar("R")


def styled(function: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under nadir's look, whatever the user's matplotlibrc says."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_LOOK)
            return function(*args, **kwargs)

    return wrapped


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of `width` x `height` inches with constrained layout."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: str | PathLike[str]) -> None:
    """Write a figure as PNG, atomically; equal figures give equal bytes (no dates, no versions).

    Raises:
        OutputError: When the disk is full or not writable.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def palette(classes: ClassTable) -> NDArray[np.uint8]:
    """Return the (256, 3) uint8 colors by class id; 0 and what is no class are `EMPTY`."""
    table = np.empty((256, 3), np.uint8)
    table[:] = _bytes(EMPTY)
    for number, color in enumerate(classes.colors[1:], start=1):
        table[number] = _bytes(color)
    return table


def paint(ids: NDArray[np.uint8], classes: ClassTable) -> NDArray[np.uint8]:
    """Return the picture (height, width, 3) uint8 of class ids (height, width)."""
    return palette(classes)[ids]


def _bytes(color: str) -> NDArray[np.uint8]:
    """Return a color as three bytes."""
    return np.rint(np.array(to_rgb(color)) * 255).astype(np.uint8)


def class_legend(
    figure: Figure,
    classes: ClassTable,
    ids: Iterable[int],
    extra: Iterable[tuple[str, str]] = (),
    outline: str = "",
    columns: int = 4,
) -> Legend:
    """Put a legend of classes below a figure.

    Args:
        figure: The figure, in constrained layout.
        classes: The class table.
        ids: Class ids that occur; shown in ascending order.
        extra: Further (label, color) entries.
        outline: Label of an entry for what is outlined; none when empty.
        columns: Entries side by side.
    """
    entries = [(classes.names[number], classes.colors[number]) for number in sorted(set(ids))]
    handles = [
        Patch(facecolor=color, edgecolor="#00000030", linewidth=0.5, label=label)
        for label, color in [*entries, *extra]
    ]
    if outline:
        handles.append(Patch(facecolor=PAPER, edgecolor=INK, linewidth=1.2, label=outline))
    return figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=columns,
        handlelength=1.2,
        handleheight=1.2,
        columnspacing=1.6,
    )


def wrapped_name(name: str, width: int = 18) -> str:
    """Return a long class name broken into lines of about `width` characters."""
    return "\n".join(textwrap.wrap(name, width, break_long_words=False)) or name


def short_count(count: float) -> str:
    """Return a count in three digits or so: 950, 1.2k, 35k, 4.1M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit * 0.9995:
            value = count / limit
            return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"
    return f"{count:.0f}"
