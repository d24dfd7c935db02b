"""The comparison of localization experiments as a picture: a point and its interval for each."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from nadir.raster.style import new_figure, save_png, styled, wrapped_name
from nadir.report.interval_figure import ROW, draw_intervals
from nadir.report.pose_scores import MEASURES, Measure, PoseRow, shown_split

_SHOWN = ("score", "score_as_published", "success", "center_px_median")


@styled
def draw_pose_comparison(
    rows: Sequence[PoseRow], path: str | PathLike[str], title: str = ""
) -> None:
    """Draw scores, success and median error of each experiment, with 95 % intervals.

    Args:
        rows: The experiments, in the order to show; floors are gray.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    split = shown_split(rows)
    figure = new_figure(12.0, ROW * len(rows) + 1.5)
    panels = figure.subplots(1, len(_SHOWN), sharey=True)
    measures = {measure.key: measure for measure in MEASURES}
    for axes, key in zip(panels, _SHOWN, strict=True):
        _draw_measure(axes, rows, split or "", measures[key])
    panels[0].set_yticks(
        range(len(rows)), [wrapped_name(row.label.replace("_", " "), 26) for row in rows]
    )
    panels[0].set_ylim(len(rows) - 0.4, -0.7)
    photos = max((row.photos.get(split or "", 0) for row in rows), default=0)
    said = f"{split}, {photos} photos, 95 % intervals" if split else "no photo has a known position"
    heading = f"{title}    {said}" if title else said
    figure.suptitle(heading, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _draw_measure(axes: Axes, rows: Sequence[PoseRow], split: str, measure: Measure) -> None:
    """Draw one column of points."""
    found = [row.values.get((split, measure.key)) for row in rows]
    draw_intervals(axes, found, measure.digits, [row.floor for row in rows])
    if measure.unit == "px":
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.minorticks_off()
    elif measure.unit == "%":
        axes.set_xlim(-3, 103)
    axes.set_title(f"{measure.name}, {measure.unit}" if measure.unit else measure.name)
