"""How IoU, precision and recall depend on the threshold, and which one was chosen."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled
from nadir.segmentation.threshold import LEVELS


@styled
def draw_threshold(facts: dict[str, Any], path: str | PathLike[str], title: str = "") -> None:
    """Draw the curves of a threshold.

    Args:
        facts: What `nadir.segmentation.threshold.choose_threshold` gave.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(6.6, 4.2)
    axes = figure.subplots()
    curve = facts["curve"]
    place = np.array([row["level"] for row in curve]) / LEVELS
    chosen = facts["threshold"]
    for name, label, color, width in (
        ("precision", "precision", ACCENTS[1], 1.6),
        ("recall", "recall", ACCENTS[2], 1.6),
        ("iou", "IoU", ACCENTS[0], 2.6),
    ):
        values = np.array([np.nan if row[name] is None else row[name] for row in curve], float)
        axes.plot(place, values, color=color, linewidth=width, label=label)
    axes.axvline(chosen, color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.plot([chosen], [facts["iou"]], "o", color=ACCENTS[0], markersize=6, markeredgecolor="w")
    right = chosen < 0.6
    axes.annotate(
        f"threshold {chosen:.2f}: IoU {facts['iou']:.3f}",
        (chosen, 0.03),
        xytext=(6 if right else -6, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        fontweight="bold",
    )
    half = next((row["iou"] for row in curve if row["level"] == LEVELS // 2), None)
    if half is not None and facts["iou"] - half >= 0.0005:
        axes.annotate(
            f"at 0.50 it would be {half:.3f}",
            (chosen, 0.03),
            xytext=(6 if right else -6, 13),
            textcoords="offset points",
            ha="left" if right else "right",
            color=QUIET,
        )
    axes.set_title(f"Pixels of the {facts['split']} split, by threshold")
    axes.set_xlabel("least probability of a building")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)
