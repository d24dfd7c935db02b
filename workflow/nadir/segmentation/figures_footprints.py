"""Footprints over the image: which are right, wrong and missed; the best and the hardest spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import NDArray

from nadir.raster.composite import natural_reader, stretched
from nadir.raster.cube import Cube
from nadir.raster.grid import Grid
from nadir.raster.style import INK, QUIET, new_figure, save_png, styled
from nadir.segmentation.footprint_scores import (
    Placed,
    counts_of,
    match_tables,
    split_ground,
)
from nadir.segmentation.view import PIXELS, View, metres_per_pixel

if TYPE_CHECKING:
    import pandas as pd

_RIGHT, _WRONG, _MISSED, _OUTSIDE = "#39d98a", "#ff4d6d", "#ffd60a", "#ffffff"
_DETAIL = 320
"""Side of the two details, in pixels of the scene."""
_FEW = 3  # a spot with fewer right footprints than this shows little
_OVERVIEW = 2048  # longest side of the overview
_BYTES = 255  # largest value of a picture of 8 bits


@dataclass(frozen=True)
class ShownScene:
    """A scene whose footprints may be shown.

    Attributes:
        name: Name of the scene, as in the split.
        cube: Its image.
        predicted: Predicted footprints.
        true: True footprints.
        all_test: Whether all of it belongs to the test.
    """

    name: str
    cube: Cube
    predicted: gpd.GeoDataFrame
    true: gpd.GeoDataFrame
    all_test: bool = False


@dataclass(frozen=True)
class _Judged:
    """Footprints of a scene in pixels, and what became of them."""

    scene: ShownScene
    predicted: NDArray[np.object_]
    true: NDArray[np.object_]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    missed: NDArray[np.bool_]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]


@styled
def draw_footprints(
    scenes: Sequence[ShownScene],
    split: pd.DataFrame,
    metrics: dict[str, Any],
    path: str | PathLike[str],
    title: str = "",
) -> None:
    """Draw the footprints of the test over the image, two details, and the scores beside.

    The overview shows the scene with the most footprints on the ground of the split (of a large
    one the part with the most); the details are the window with the greatest share of right
    ones, and that with the most wrong and missed ones, of all scenes. Footprints on other ground
    are thin.

    Args:
        scenes: The scenes.
        split: Columns scene, y, x, size, split.
        metrics: Content of `footprints.json`; its test is shown, or its last split.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    shown = "test" if "test" in metrics["splits"] else list(metrics["splits"])[-1]
    judged = [one for scene in scenes for one in [_judge(scene, split, shown)] if one is not None]
    main = max(judged, key=lambda one: int((one.right | one.wrong).sum() + one.missed.sum()))
    best, hardest = _details(judged)
    figure = new_figure(13.2, 8.6)
    grid = figure.add_gridspec(2, 3, width_ratios=(2.05, 1, 0.72))
    overview = _draw(figure.add_subplot(grid[:, 0]), main, _overview(main), f"{main.scene.name}")
    for row, (spot, name) in enumerate(((best, "Best spot"), (hardest, "Hardest spot"))):
        axes = figure.add_subplot(grid[row, 1])
        judgement, view = spot
        where = "" if judgement is main else f" ({judgement.scene.name})"
        _draw(axes, judgement, view, f"{name}{where}")
        if judgement is main:
            _mark(overview, view, name)
    _write_scores(figure.add_subplot(grid[:, 2]), metrics["splits"][shown], shown)
    _legend(figure, shown)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _judge(scene: ShownScene, split: pd.DataFrame, name: str) -> _Judged | None:
    """Return the footprints of a scene in pixels, and which are right; None without ground."""
    ground = split_ground(scene.name, split, (name,), scene.all_test)
    if name not in ground:
        return None
    match, grid = match_tables(scene.predicted, scene.true), scene.cube.grid
    one, other = (
        Placed(grid, np.asarray(frame.geometry.array, object))
        for frame in (scene.predicted, scene.true)
    )
    here = one.within(ground[name]) & ~match.ignored
    there = other.within(ground[name]) & counts_of(scene.true)
    matched, found = np.zeros(len(here), bool), np.zeros(len(there), bool)
    matched[match.pairs[:, 0]], found[match.pairs[:, 1]] = True, True
    return _Judged(
        scene,
        _in_pixels(one.shapes, grid),
        _in_pixels(other.shapes, grid),
        here & matched,
        here & ~matched,
        there & ~found,
        (one.places, other.places),
    )


def _in_pixels(shapes: NDArray[np.object_], grid: Grid) -> NDArray[np.object_]:
    """Return polygons in pixels of a grid."""
    a, b, c, d, e, f = tuple(~grid.affine)[:6]
    matrix, origin = np.array([[a, d], [b, e]]), np.array([c, f])
    return np.asarray(shapely.transform(shapes, lambda points: points @ matrix + origin))


def _details(
    judged: Sequence[_Judged],
) -> tuple[tuple[_Judged, View], tuple[_Judged, View]]:
    """Return the windows with the greatest share of right, and the most wrong and missed ones."""
    best: tuple[float, _Judged, View] | None = None
    hardest: tuple[float, _Judged, View] | None = None
    for one in judged:
        height, width = one.scene.cube.grid.shape
        rows, columns = min(_DETAIL, height), min(_DETAIL, width)
        for y in _starts(height, rows):
            for x in _starts(width, columns):
                view = View(y, x, rows, columns, 1, False)
                right, wrong, missed = (
                    int(flags[_within(places, view)].sum())
                    for flags, places in (
                        (one.right, one.places[0]),
                        (one.wrong, one.places[0]),
                        (one.missed, one.places[1]),
                    )
                )
                bad = float(wrong + missed)
                good = right / (right + bad + _FEW)
                if best is None or good > best[0]:
                    best = (good, one, view)
                if hardest is None or bad > hardest[0]:
                    hardest = (bad, one, view)
    assert best is not None and hardest is not None  # a scene has at least one window
    return best[1:], hardest[1:]


def _starts(length: int, part: int) -> range:
    """Return the first pixels of windows half a window apart."""
    return range(0, max(length - part, 0) + 1, max(part // 2, 1))


def _within(places: NDArray[np.int64], view: View) -> NDArray[np.bool_]:
    y, x = places.T
    rows = (y >= view.y) & (y < view.y + view.height)
    return np.asarray(rows & (x >= view.x) & (x < view.x + view.width))


def _overview(judged: _Judged) -> View:
    """Return the view of the whole scene, or of the part of a large one with the most to see."""
    height, width = judged.scene.cube.grid.shape
    rows, columns = min(_OVERVIEW, height), min(_OVERVIEW, width)
    step = max(1, round(max(rows, columns) / PIXELS))
    flags = judged.right | judged.wrong

    def amount(place: tuple[int, int]) -> int:
        view = View(*place, rows, columns, step, False)
        found = flags[_within(judged.places[0], view)].sum()
        return int(found + judged.missed[_within(judged.places[1], view)].sum())

    places = [(y, x) for y in _starts(height, rows) for x in _starts(width, columns)]
    y, x = max(places, key=amount)
    return View(y, x, rows, columns, step, rows == height and columns == width)


def _draw(axes: Axes, judged: _Judged, view: View, name: str) -> Axes:
    """Draw a window of the image with outlines and a scale bar."""
    axes.imshow(
        _picture(judged.scene.cube, view),
        extent=(view.x, view.x + view.width, view.y + view.height, view.y),
        interpolation="antialiased" if view.step > 1 else "nearest",
    )
    width = 0.8 if view.step > 1 or view.width > 2 * _DETAIL else 1.7
    rest = ~(judged.right | judged.wrong)
    for shapes, color, style, line in (
        (judged.predicted[rest], _OUTSIDE, "solid", 0.4 * width),
        (judged.true[judged.missed], _MISSED, "solid" if width < 1 else (0, (3, 1.5)), width),
        (judged.predicted[judged.right], _RIGHT, "solid", width),
        (judged.predicted[judged.wrong], _WRONG, "solid", width),
    ):
        lines = [np.asarray(ring.coords) for ring in shapely.get_rings(shapes)]
        axes.add_collection(LineCollection(lines, colors=color, linewidths=line, linestyles=style))
    axes.set_xlim(view.x, view.x + view.width)
    axes.set_ylim(view.y + view.height, view.y)
    axes.set_title(name)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set(visible=True, color=QUIET, linewidth=0.6)
    _scale_bar(axes, view, judged.scene.cube.grid)
    return axes


def _picture(cube: Cube, view: View) -> NDArray[np.uint8]:
    """Return the image in natural color: as it is if of 8 bits, else stretched."""
    values = view.read(natural_reader(cube))
    if values[:3].max() > _BYTES:
        return stretched(values[:3].astype(np.float32), values[3] > 0)
    picture = np.moveaxis(values[:3].astype(np.uint8), 0, -1).copy()
    picture[values[3] == 0] = 243
    return picture


def _scale_bar(axes: Axes, view: View, grid: Grid) -> None:
    """Draw a scale bar of a round length; in pixels where there is no georeference."""
    unit = metres_per_pixel(grid, view.y + view.height / 2) if grid.crs else 1.0
    goal = 0.28 * view.width * unit
    power = 10.0 ** np.floor(np.log10(goal))
    length = power * max(step for step in (1, 2, 5) if step * power <= goal)
    bar = AnchoredSizeBar(
        axes.transData,
        length / unit,
        f"{length:g} {'m' if grid.crs else 'px'}",
        "lower left",
        pad=0.4,
        borderpad=0.6,
        sep=3,
        label_top=True,
        size_vertical=0.006 * view.width,
        color=INK,
        fill_bar=True,
    )
    bar.patch.set(facecolor="#ffffffd8", edgecolor="none")
    axes.add_artist(bar)


def _mark(axes: Axes, view: View, name: str) -> None:
    """Show where a detail lies."""
    corner = (view.x, view.y)
    for color, width in (("white", 2.6), (INK, 1.2)):
        axes.add_patch(
            Rectangle(corner, view.width, view.height, fill=False, edgecolor=color, linewidth=width)
        )
    axes.annotate(
        name.split()[0].lower(),
        corner,
        xytext=(3, -3),
        textcoords="offset points",
        va="top",
        fontsize=8,
        fontweight="bold",
        bbox={"facecolor": "#ffffffd8", "edgecolor": "none", "pad": 1.5},
    )


def _write_scores(axes: Axes, scores: dict[str, Any], split: str) -> None:
    """Write the scores of a split beside the pictures."""
    axes.set_axis_off()
    axes.set_title(f"Scores of the {split}")
    pooled, median, tiles = scores["pooled"], scores["median"], scores["tiles"]
    several = len(scores["scenes"]) > 1
    rows = [
        ("F1", pooled["f1"], median["f1"], "{:.3f}"),
        ("precision", pooled["precision"], median["precision"], "{:.3f}"),
        ("recall", pooled["recall"], median["recall"], "{:.3f}"),
        ("IoU of matches", pooled["mean_iou"], median["mean_iou"], "{:.3f}"),
        ("boundary error (m)", pooled["boundary_error_m"], median["boundary_error_m"], "{:.2f}"),
        ("boundary error (px)", pooled["boundary_error_px"], median["boundary_error_px"], "{:.2f}"),
        ("merged", pooled["under_segmented"], median["under_segmented"], "{:.1%}"),
        ("broken up", pooled["over_segmented"], median["over_segmented"], "{:.1%}"),
        ("IoU of pixels", pooled["pixel_iou"], median["pixel_iou"], "{:.3f}"),
        ("accuracy of pixels", pooled["pixel_accuracy"], median["pixel_accuracy"], "{:.3f}"),
        *_of_tiles(tiles["median_iou"], tiles["median_accuracy"], several),
    ]
    head = f"{pooled['true']} true, {pooled['predicted']} predicted"
    axes.text(0, 0.985, head, transform=axes.transAxes, va="top", color=QUIET)
    if several:
        for place, name in ((0.78, "pooled"), (1.0, "median")):
            axes.text(
                place, 0.945, name, transform=axes.transAxes, va="top", ha="right", color=QUIET
            )
    for number, (name, value, between, form) in enumerate(rows):
        y = 0.91 - 0.042 * number
        bold = "bold" if number == 0 else "normal"
        where: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "fontweight": bold}
        axes.text(0, y, name, **where)
        axes.text(0.78 if several else 1.0, y, _said(value, form), ha="right", **where)
        if several and between is not None:
            axes.text(1.0, y, _said(between, form), ha="right", **where)


def _of_tiles(
    iou: float | None, accuracy: float | None, several: bool
) -> list[tuple[str, float | None, float | None, str]]:
    """Return the rows of medians over tiles: with two columns, they stand in that of medians."""
    if several:
        return [
            ("256-px tiles: IoU", None, iou, "{:.3f}"),
            ("256-px tiles: acc.", None, accuracy, "{:.3f}"),
        ]
    return [
        ("256-px tiles: median IoU", iou, None, "{:.3f}"),
        ("256-px tiles: med. accuracy", accuracy, None, "{:.3f}"),
    ]


def _said(value: float | None, form: str) -> str:
    return "–" if value is None or not np.isfinite(value) else form.format(value)


def _legend(figure: Figure, split: str) -> None:
    entries: tuple[tuple[str, str, Literal["-", "--"]], ...] = (
        ("right (IoU of at least 0.5)", _RIGHT, "-"),
        ("wrong", _WRONG, "-"),
        ("missed", _MISSED, "--"),
        (f"predicted outside the {split} (not judged)", "#c9ced4", "-"),
    )
    handles = [
        Line2D([], [], color=color, linestyle=style, linewidth=2.2, label=label)
        for label, color, style in entries
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
