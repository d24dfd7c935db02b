"""Pictures of how far a map may be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from nadir.config.classes import ClassTable
from nadir.raster.style import (
    ACCENTS,
    INK,
    QUIET,
    new_figure,
    save_png,
    short_count,
    styled,
    wrapped_name,
)


@styled
def draw_calibration(facts: dict[str, Any], path: str | PathLike[str], title: str = "") -> None:
    """Draw reliability before and after calibration.

    Args:
        facts: With `before` and `after` (`reliability.probability_scores`) and, perhaps,
            `temperatures`.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(8.4, 4.4)
    for axes, key, name in zip(
        figure.subplots(1, 2, sharey=True),
        ("before", "after"),
        ("as given", "calibrated"),
        strict=True,
    ):
        _reliability(axes, facts[key])
        axes.set_title(f"{name[0].upper()}{name[1:]}: ECE {facts[key]['ece']:.3f}")
        axes.set_xlabel("confidence")
    figure.axes[0].set_ylabel("share of pixels that are right")
    if "temperatures" in facts:
        shown = " / ".join(f"{value:.2f}" for value in facts["temperatures"][1:])
        title = f"{title}    temperature {shown} by number of valid dates"
    figure.suptitle(title.strip(), x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _reliability(axes: Axes, scores: dict[str, Any]) -> None:
    """Draw a reliability diagram: gaps to the diagonal, and how many pixels a bar stands for."""
    rows = scores["bins"]
    most = max(row["count"] for row in rows)
    axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 3)))
    for row in rows:
        low, width = row["low"], row["high"] - row["low"]
        axes.bar(
            low,
            row["accuracy"],
            width,
            align="edge",
            color=ACCENTS[0],
            alpha=0.85,
            edgecolor="white",
            linewidth=0.6,
        )
        over = row["confidence"] > row["accuracy"]
        axes.plot(
            [row["confidence"]] * 2,
            [row["accuracy"], row["confidence"]],
            color=ACCENTS[1] if over else ACCENTS[2],
            linewidth=2,
        )
        axes.bar(
            low,
            0.16 * row["count"] / most,
            width,
            align="edge",
            bottom=-0.26,
            color=QUIET,
            alpha=0.6,
        )
    axes.axhline(0, color=QUIET, linewidth=0.7)
    axes.text(0.01, -0.02, "pixels by confidence", color=QUIET, fontsize=7.5, va="top")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.27, 1.02)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    brier = f"Brier {scores['brier']:.3f}\nNLL {scores['nll']:.3f}"
    facts = f"{short_count(scores['pixels'])} pixels\n{brier}"
    axes.text(0.04, 0.97, facts, va="top", fontsize=8)


@styled
def draw_quality(
    facts: dict[str, Any], classes: ClassTable, path: str | PathLike[str], title: str = ""
) -> None:
    """Draw reliability, class sets, and scores by border and purity.

    Args:
        facts: Content of `quality.json`.
        classes: The class table.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(11.6, 7.6)
    axes = figure.subplots(2, 3)
    _reliability(axes[0, 0], facts["probability"]["after"])
    gap = facts["probability"]["before"]["ece"], facts["probability"]["after"]["ece"]
    axes[0, 0].set_title(f"Reliability: ECE {gap[0]:.3f} -> {gap[1]:.3f}")
    axes[0, 0].set_xlabel("confidence, calibrated")
    _sets(axes[0, 1], facts["probability"]["sets"])
    _coverage(axes[0, 2], facts, classes)
    _groups(axes[1, 0], facts["distance"], _distance_names(facts["distance"]))
    axes[1, 0].set_title("By distance to a border")
    axes[1, 0].set_xlabel("pixels to the nearest border of the truth")
    _groups(axes[1, 1], facts["purity"], _purity_names(facts["purity"]))
    axes[1, 1].set_title("By purity of the pixel")
    axes[1, 1].set_xlabel("share of the pixel that its main class covers")
    _boundaries(axes[1, 2], facts, classes)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _sets(axes: Axes, sets: dict[str, Any]) -> None:
    """Draw how large the class sets are."""
    count = np.array(sets["sizes"], float)
    share = 100 * count / count.sum()
    last = int(np.flatnonzero(share >= 0.05).max(initial=1))
    axes.bar(np.arange(last + 1), share[: last + 1], color=ACCENTS[5], width=0.75)
    axes.set_xticks(range(last + 1))
    axes.set_xlabel(f"classes in the set, {sets['size']:.2f} on average")
    axes.set_ylabel("percent of pixels")
    promised, kept = 100 * sets["promised"], 100 * sets["coverage"]
    axes.set_title(f"Class sets: {promised:g} % promised, {kept:.1f} % kept")


def _coverage(axes: Axes, facts: dict[str, Any], classes: ClassTable) -> None:
    """Draw the coverage of each class."""
    sets = facts["probability"]["sets"]
    names, values, colors = [], [], []
    for number, value in enumerate(sets["class_coverage"], start=1):
        if value is not None:
            names.append(classes.names[number])
            values.append(100 * value)
            colors.append(classes.colors[number])
    _rows(axes, names, values, colors, "{:.0f}")
    axes.axvline(100 * sets["promised"], color=INK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 104)
    axes.set_title("Coverage by class (%)")


def _boundaries(axes: Axes, facts: dict[str, Any], classes: ClassTable) -> None:
    """Draw boundary IoU beside IoU."""
    rows = [
        (classes.names[n], band, whole, classes.colors[n])
        for n, (band, whole) in enumerate(
            zip(facts["boundary"]["iou"], facts["scores"]["class"]["iou"], strict=True), start=1
        )
        if band is not None and np.isfinite(band)
    ]
    names = [row[0] for row in rows]
    _rows(axes, names, [row[1] for row in rows], [row[3] for row in rows], "")
    for place, row in enumerate(rows):
        if row[2] is not None:
            axes.plot([row[2]], [place], "|", color=INK, markersize=9, markeredgewidth=1.6)
    axes.set_xlim(0, 1.04)
    width, mean = facts["boundary"]["width"], facts["boundary"]["miou"]
    shown = "" if mean is None else f": {mean:.2f}"
    axes.set_title(f"Boundary IoU, {width} px{shown}")
    axes.set_xlabel("bar: boundary IoU, mark: IoU")


def _rows(
    axes: Axes, names: Sequence[str], values: Sequence[float], colors: Sequence[str], form: str
) -> None:
    """Draw horizontal bars, the first on top."""
    place = np.arange(len(names))
    axes.barh(place, values, color=colors, height=0.7, edgecolor="#00000030", linewidth=0.5)
    axes.set_yticks(place, [wrapped_name(name, 22) for name in names], fontsize=7.5)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    for at, value in zip(place, values, strict=True):
        axes.text(value, float(at), " " + form.format(value), va="center", fontsize=7.5)


def _groups(axes: Axes, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Draw accuracy and mean IoU by group, with the share of pixels in each."""
    there = [(row, name) for row, name in zip(rows, names, strict=True) if row["pixels"]]
    total = sum(row["pixels"] for row, _ in there)
    place = np.arange(len(there))
    for key, label, color in (("accuracy", "accuracy", ACCENTS[0]), ("miou", "mIoU", ACCENTS[1])):
        values = [np.nan if row[key] is None else row[key] for row, _ in there]
        axes.plot(place, values, "o-", color=color, label=label, linewidth=2, markersize=5)
    axes.bar(place, [0.3 * row["pixels"] / total for row, _ in there], color=QUIET, alpha=0.35)
    labels = [f"{name}\n{100 * row['pixels'] / total:.0f} %" for row, name in there]
    axes.set_xticks(place, labels, fontsize=7.5)
    axes.set_ylim(0, 1.02)
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", ncols=2)


def _distance_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the classes of distance are called."""
    found = []
    for row in rows:
        low = (row["above"] or 0) + 1
        if row["upto"] is None:
            found.append(f"≥ {low}")
        else:
            found.append(f"{low}" if low == row["upto"] else f"{low}–{row['upto']}")
    return found


def _purity_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the classes of purity are called."""
    found = []
    for row in rows:
        if row["from"] is None:
            found.append(f"< {row['below']:g}")
        elif row["below"] is None:
            found.append("pure" if row["from"] == 1 else f"≥ {row['from']:g}")
        else:
            found.append(f"{row['from']:g}–{row['below']:g}")
    return found


@styled
def draw_areas(
    areas: dict[str, Any], classes: ClassTable, path: str | PathLike[str], title: str = ""
) -> None:
    """Draw the area of each class with its interval beside what counting the map gives.

    Args:
        areas: Scene -> `quality.scene_areas`.
        classes: The class table.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(7.6, 1.2 + max(len(areas), 1) * (0.5 + 0.3 * classes.count))
    panels = figure.subplots(max(len(areas), 1), 1, squeeze=False)[:, 0]
    for axes, (scene, facts) in zip(panels, areas.items(), strict=False):
        rows = [
            (name, facts["classes"][name], color)
            for name, color in zip(classes.names[1:], classes.colors[1:], strict=True)
            if facts["classes"][name]["mapped"] or facts["classes"][name]["area"]
        ]
        for place, (_, row, color) in enumerate(rows):
            if row["high"] is not None and row["low"] is not None:
                axes.plot([row["low"], row["high"]], [place, place], color=INK, linewidth=1.6)
            axes.plot(
                [row["area"]],
                [place],
                "o",
                color=color,
                markersize=8,
                markeredgecolor=INK,
                markeredgewidth=0.6,
            )
            axes.plot([row["mapped"]], [place], "x", color=ACCENTS[1], markersize=7)
        axes.set_yticks(range(len(rows)), [row[0] for row in rows])
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.grid(visible=True, axis="x")
        axes.set_axisbelow(True)
        axes.set_xlim(left=0)
        axes.set_xlabel("hectares" if facts["unit"] == "ha" else "pixels")
        sampled = f"{short_count(facts['sampled'])} sampled pixels"
        kind = "in blocks" if facts["design"] == "blocks" else "drawn alone"
        axes.set_title(f"{scene}: {100 * facts['level']:g} % intervals")
        axes.set_xlabel(f"{axes.get_xlabel()}; {sampled}, {kind}; a cross counts the map")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)
