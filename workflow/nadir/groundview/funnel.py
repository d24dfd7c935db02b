"""How many photos are left after each filter, as a picture."""

from __future__ import annotations

import os

import pandas as pd

from nadir.groundview.filtering import CAUSES
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled

_LABELS = {
    "corrupt": "corrupt file",
    "no_coordinates": "no coordinates",
    "outside": "outside the imagery",
    "duplicate": "duplicate",
    "far": "far from what is asked for",
    "blur": "blurred",
    "night": "night or too dark",
    "season": "another season",
    "scene": "another scene",
    "people": "faces",
    "review": "dropped by hand",
}


@styled
def plot_funnel(
    filters: pd.DataFrame, out: str | os.PathLike[str], *, unasked: tuple[str, ...] = ()
) -> None:
    """Draw one bar a filter: photos that are left after it, and those it dropped.

    Args:
        filters: Table of filters.
        out: PNG file to write.
        unasked: Filters that were switched off.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    counts = filters["cause"].value_counts()
    total = len(filters)
    left, steps = total, []
    for cause in CAUSES:
        dropped = int(counts.get(cause, 0))
        left -= dropped
        steps.append((cause, dropped, left))
    rescued = int(((filters["measured"] != "") & (filters["cause"] == "")).sum())
    figure = new_figure(7.4, 0.34 * (len(steps) + 1) + 1.1)
    axes = figure.add_subplot()
    axes.barh(0, total, color=ACCENTS[0], height=0.72)
    axes.text(total * 1.01, 0, f"{total}", va="center", color=INK)
    for row, (cause, dropped, rest) in enumerate(steps, start=1):
        off = cause in unasked
        axes.barh(row, rest, color=ACCENTS[0], height=0.72, alpha=0.35 if off else 1)
        axes.barh(row, dropped, left=rest, color=ACCENTS[1], height=0.72)
        silent = "no detector is given" if cause == "people" else "not asked"
        text = silent if off and not dropped else f"{rest}"
        note = f"  −{dropped}" if dropped else ""
        axes.text(
            (rest + dropped) + total * 0.01, row, text + note, va="center",
            color=QUIET if off else INK,
        )  # fmt: skip
    axes.set_yticks(range(len(steps) + 1), ["all photos", *(_LABELS[name] for name in CAUSES)])
    axes.invert_yaxis()
    axes.set_xlim(0, max(total, 1) * 1.14)
    axes.set_xlabel("photos; orange: dropped by this filter, the first that applies")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    saved = f", {rescued} of them by hand" if rescued else ""
    axes.set_title(f"{left} of {total} photos are kept{saved}")
    save_png(figure, out)
