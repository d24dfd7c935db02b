"""How far off several methods are: the share of photos within each distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from nadir.localization.metrics import PIXELS
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled

_FINEST = 0.1  # px, where curves begin
_STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))


@styled
def draw_error_curves(
    errors: Mapping[str, NDArray[np.float64]],
    path: str | PathLike[str],
    *,
    floors: Sequence[str] = (),
    right_px: float = PIXELS,
    title: str = "",
) -> None:
    """Draw the cumulative distribution of the error of centers, one curve a method.

    Args:
        errors: Method -> errors of its photos in substrate pixels, in the order of the legend.
        path: The PNG to write.
        floors: Names of those that look at no photo; drawn in gray.
        right_px: Largest error of a right center.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(8.2, 4.8)
    axes = figure.subplots()
    largest = max((float(values.max()) for values in errors.values() if len(values)), default=1.0)
    end = 10 ** np.ceil(np.log10(max(largest, 10 * right_px)))
    methods = [name for name in errors if name not in floors]
    for name, values in errors.items():
        if name in floors:
            color, style = QUIET, _STYLES[1 + list(floors).index(name) % 2]
        else:
            number = methods.index(name)
            color = ACCENTS[number % len(ACCENTS)]
            style = _STYLES[number // len(ACCENTS) % len(_STYLES)]
        within = float((values <= right_px).mean()) if len(values) else float("nan")
        label = f"{name} ({100 * within:.0f} %)"
        _curve(axes, values, end, label, color, style)
    axes.axvline(right_px, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(right_px * 1.06, 0.015, f"{right_px:g} px", fontsize=8.5, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(_FINEST, end)
    axes.set_ylim(0, 1.02)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(np.linspace(0, 1, 6), [f"{share}" for share in range(0, 101, 20)])
    axes.grid(visible=True)
    axes.set_axisbelow(True)
    axes.set_xlabel("error of the center, pixels")
    axes.set_ylabel("percent of photos within")
    legend = f"method (share within {right_px:g} px)"
    figure.legend(title=legend, loc="outside right upper", alignment="left")
    if title:
        axes.set_title(title)
    save_png(figure, path)


def _curve(
    axes: Axes, values: NDArray[np.float64], end: float, label: str, color: str, style: object
) -> None:
    """Draw one empirical distribution as steps."""
    x = np.concatenate([[_FINEST], np.sort(values.clip(_FINEST)), [end]])
    y = np.concatenate([np.arange(len(values) + 1), [len(values)]]) / max(len(values), 1)
    look: dict[str, Any] = {"color": color, "linestyle": style, "linewidth": 2.0}
    axes.plot(x, y, drawstyle="steps-post", label=label, **look)
