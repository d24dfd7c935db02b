"""The picture of a search for a learning rate."""

from __future__ import annotations

from os import PathLike

from nadir.learn.rate_finder import RateTrace
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled


@styled
def draw_rate(trace: RateTrace, path: str | PathLike[str], chosen: float | None = None) -> None:
    """Draw the loss against the learning rate, with the rate of the steepest fall.

    Args:
        trace: How the loss went.
        path: The PNG to write.
        chosen: The rate that the configuration has, to be shown beside; None for none.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(8.0, 4.6)
    axes = figure.add_subplot()
    axes.scatter(trace.rates, trace.losses, s=10, color=QUIET, alpha=0.5, label="a batch")
    axes.plot(trace.rates, trace.smooth, color=ACCENTS[0], linewidth=2, label="moving mean")
    axes.set_xscale("log")
    span = trace.smooth.max() - trace.smooth.min()
    axes.set_ylim(trace.smooth.min() - 0.25 * span, trace.smooth.max() + 0.25 * span)
    marks = [
        (trace.steepest, ACCENTS[1], "-", f"steepest fall: {trace.steepest:.1e}"),
        (trace.lowest / 10, ACCENTS[1], ":", f"a tenth of the lowest: {trace.lowest / 10:.1e}"),
    ]
    if chosen is not None:
        marks.append((chosen, INK, "--", f"configured: {chosen:.1e}"))
    for rate, color, line, name in marks:
        axes.axvline(rate, color=color, linestyle=line, linewidth=1.4, label=name)
    axes.set_title("Loss while the learning rate rises")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="best")
    save_png(figure, path)
