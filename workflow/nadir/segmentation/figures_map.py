"""A map beside the image and the truth, and where it is right."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar
from numpy.typing import NDArray

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.composite import natural_picture
from nadir.raster.cube import Cube
from nadir.raster.labels import Labels
from nadir.raster.style import (
    EMPTY,
    INK,
    QUIET,
    RIGHT,
    WRONG,
    class_legend,
    new_figure,
    paint,
    palette,
    save_png,
    styled,
)
from nadir.segmentation.split_ground import paint_tiles
from nadir.segmentation.view import View, band_reader

if TYPE_CHECKING:
    import pandas as pd

_RIGHT, _WRONG = 1, 2


@styled
def draw_map(
    cube: Cube,
    map_path: str | PathLike[str],
    classes: ClassTable,
    path: str | PathLike[str],
    *,
    labels: Labels | None = None,
    confidence_path: str | PathLike[str] | None = None,
    held_out: pd.DataFrame | None = None,
    title: str = "",
) -> None:
    """Draw image, truth, map, and where the map is right, or how sure it is, side by side.

    Scenes up to 4096 pixels are shown whole; of larger ones the most varied part. Memory is
    bounded by the picture, not by the scene.

    Args:
        cube: The imagery; its last date (of those that it has) is shown.
        map_path: The map.
        classes: The class table.
        path: The PNG to write.
        labels: The truth; without it (or without labels in view) confidence is shown instead.
        confidence_path: The confidence layer, uint8 percent, 255 = no data.
        held_out: Tiles (y, x, size) whose common outline is drawn: those held out for the test.
        title: Heading.

    Raises:
        InputError: When map, labels and image differ in size.
        OutputError: When the disk is full or not writable.
    """
    view = View.of(map_path)
    with rasterio.open(map_path) as dataset:
        if dataset.shape != cube.grid.shape or (labels and labels.grid.shape != cube.grid.shape):
            raise InputError(
                map_path, "it has another size than its image or labels", "Predict the map again."
            )
        mapped = view.read(band_reader(dataset))
    truth = view.read(labels.hard) if labels is not None else np.zeros(view.shape, np.uint8)
    panels: list[tuple[str, NDArray[np.uint8]]] = [
        (f"Image, {cube.dates[cube.present[-1]]}", natural_picture(cube, view.read)),
    ]
    if truth.any():
        panels.append(("Truth", paint(truth, classes)))
    panels.append(("Map", paint(mapped, classes)))
    extra = []
    outlined = _outlined(held_out, view)
    if truth.any():
        state, name = _agreement(mapped, truth, outlined)
        colors = palette(classes)
        colors[_RIGHT], colors[_WRONG] = _rgb(RIGHT), _rgb(WRONG)
        panels.append((name, colors[state]))
        extra = [("map agrees", RIGHT), ("map differs", WRONG)]
    if confidence_path is not None and not truth.any():
        with rasterio.open(confidence_path) as dataset:
            panels.append(("Confidence", _shades(view.read(band_reader(dataset)))))
        extra = [("sure", "#123c5a"), ("unsure", "#f3d9c4")]
    if (mapped == 0).any() or (truth.any() and (truth == 0).any()):
        extra.append(("no data", EMPTY))

    present = np.union1d(np.unique(mapped), np.unique(truth))
    figure, axes = _panels(panels, view)
    if outlined is not None:
        for one in axes:
            _outline(one, outlined)
    _scale_bar(axes[0], view, view.metres(cube.grid))
    outline = "held out for the test" if outlined is not None else ""
    class_legend(figure, classes, (int(n) for n in present if n), extra, outline)
    note = "" if view.whole else f"   (detail: rows {view.y}+, columns {view.x}+)"
    if title or note:
        figure.suptitle(f"{title}{note}", x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _agreement(
    mapped: NDArray[np.uint8], truth: NDArray[np.uint8], held_out: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], str]:
    """Return where a map is right (1), wrong (2) or not to be judged (0), and a title of shares."""
    judged = (mapped > 0) & (truth > 0)
    state = np.where(judged, np.where(mapped == truth, _RIGHT, _WRONG), 0).astype(np.uint8)

    def percent(part: NDArray[np.uint8]) -> str:
        return f"{100 * (part == _RIGHT).sum() / max((part > 0).sum(), 1):.1f} %"

    title = f"Agreement: {percent(state)} of labelled pixels"
    if held_out is not None and state[held_out].any():
        title += f", {percent(state[held_out])} where held out"
    return state, title


def _shades(percent: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture of a confidence layer, from pale (unsure) to dark (sure)."""
    low, high = _rgb("#f3d9c4"), _rgb("#123c5a")
    share = np.clip(percent.astype(np.float32), 0, 100)[..., None] / 100
    picture = np.rint(low + share * (high.astype(np.float32) - low)).astype(np.uint8)
    picture[percent > 100] = _rgb(EMPTY)
    return picture


def _rgb(color: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(color.removeprefix("#")), np.uint8)


def _panels(panels: list[tuple[str, NDArray[np.uint8]]], view: View) -> tuple[Figure, list[Axes]]:
    """Lay pictures out: two in a row, or all in a column or row when the view is very oblong."""
    height, width = view.shape
    ratio = height / width
    columns = 1 if ratio < 0.4 else (len(panels) if ratio > 1.8 or len(panels) == 3 else 2)
    rows = -(-len(panels) // columns)
    side = 5.2 if columns <= 2 else 4.2
    panel_width = side if ratio <= 1 else max(side / ratio, 2.4)
    if columns == 1:
        panel_width = 9.0
    figure = new_figure(columns * panel_width, rows * (panel_width * ratio + 0.3) + 1.3)
    grid = figure.subplots(rows, columns, squeeze=False)
    axes = list(grid.ravel())
    for one, (name, picture) in zip(axes, panels, strict=False):
        one.imshow(picture, interpolation="antialiased" if view.step > 1 else "nearest")
        one.set_title(name)
        one.set_xticks([])
        one.set_yticks([])
        one.spines[:].set(visible=True, color=QUIET, linewidth=0.6)
    for one in axes[len(panels) :]:
        one.set_visible(False)
    return figure, axes[: len(panels)]


def _outlined(tiles: pd.DataFrame | None, view: View) -> NDArray[np.bool_] | None:
    """Return where tiles lie in a view; None when that is nowhere or everywhere."""
    if tiles is None or tiles.empty:
        return None
    mask = view.read(lambda y, x, height, width: paint_tiles(tiles, y, x, height, width))
    return mask if mask.any() and not mask.all() else None


def _outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw the outline of a mask so that it shows on dark and bright ground."""
    padded = np.pad(mask.astype(np.float32), 1)
    height, width = padded.shape
    where: dict[str, Any] = {"extent": (-1.5, width - 1.5, -1.5, height - 1.5), "origin": "lower"}
    axes.contour(padded, [0.5], colors="white", linewidths=2.2, **where)
    axes.contour(padded, [0.5], colors=INK, linewidths=0.9, **where)
    axes.set_xlim(-0.5, width - 2.5)
    axes.set_ylim(height - 2.5, -0.5)


def _scale_bar(axes: Axes, view: View, metres: float) -> None:
    """Draw a scale bar of a round length, about a quarter of the picture."""
    goal = 0.28 * view.shape[1] * metres
    power = 10.0 ** np.floor(np.log10(goal))
    length = power * max(step for step in (1, 2, 5) if step * power <= goal)
    name = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    bar = AnchoredSizeBar(
        axes.transData,
        length / metres,
        name,
        "lower left",
        pad=0.5,
        borderpad=0.7,
        sep=4,
        label_top=True,
        size_vertical=0.006 * view.shape[1],
        color=INK,
        fill_bar=True,
    )
    bar.patch.set(facecolor="#ffffffd8", edgecolor="none")
    axes.add_artist(bar)
