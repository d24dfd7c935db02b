"""Scores on a map, and a gallery of the worst tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import rasterio
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.raster.composite import natural_color, stretched
from nadir.raster.cube import Cube
from nadir.raster.labels import Labels
from nadir.raster.style import INK, QUIET, class_legend, new_figure, paint, save_png, styled
from nadir.segmentation.view import WHOLE, View, band_reader

_SCALE = "RdYlGn"
_SCENES = 6  # panels
_NUMBERED = 0.03  # least side of a block that holds its figure, as a share of the panel


@styled
def draw_blocks(
    maps: Mapping[str, str | PathLike[str]],
    rows: Sequence[dict[str, Any]],
    classes: ClassTable,
    path: str | PathLike[str],
    title: str = "",
) -> None:
    """Draw the held-out blocks of each scene over its map, colored by their mean IoU.

    Scenes are shown as wholes, large ones through the overviews of their maps.

    Args:
        maps: Scene -> map; scenes without a block are left out, and beyond the first six with one
            the others are: the heading says how many.
        rows: Rows of `map_quality.block_rows`.
        classes: The class table.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    held = {row["scene"] for row in rows}
    shown = [scene for scene in maps if scene in held][:_SCENES]
    if len(held) > len(shown):
        title = (
            f"{title}   ({len(shown)} of {len(held)} scenes with held-out ground; "
            "all are in blocks.parquet)"
        )
    figure = new_figure(6.4 * min(len(shown), 2), 6.2 * -(-len(shown) // 2) + 0.3)
    panels = figure.subplots(-(-len(shown) // 2), min(len(shown), 2), squeeze=False).ravel()
    colors = ScalarMappable(Normalize(0, 1), _SCALE)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    for axes, scene in zip(panels, shown, strict=False):
        with rasterio.open(maps[scene]) as dataset:
            view = View.entire(dataset.shape)
            large = max(dataset.shape) > WHOLE
            ids = view.read_overview(dataset) if large else view.read(band_reader(dataset))
        faded = 255 - (255 - paint(ids, classes).astype(np.uint16)) * 2 // 5
        axes.imshow(faded.astype(np.uint8))
        for row in rows:
            if row["scene"] != scene or row["miou"] is None:
                continue
            side = row["size"] / view.step
            corner = (row["x"] - view.x) / view.step - 0.5, (row["y"] - view.y) / view.step - 0.5
            color = colors.to_rgba(row["miou"])
            axes.add_patch(
                Rectangle(corner, side, side, facecolor=color, edgecolor="white", lw=0.5)
            )
            if len(rows) <= 80 and side >= _NUMBERED * max(ids.shape):
                axes.text(
                    corner[0] + side / 2,
                    corner[1] + side / 2,
                    f"{100 * row['miou']:.0f}",
                    ha="center",
                    va="center",
                    fontsize=6.5,
                    color=INK,
                )
        axes.set(xticks=[], yticks=[], title=scene)
        axes.set_xlim(-0.5, ids.shape[1] - 0.5)
        axes.set_ylim(ids.shape[0] - 0.5, -0.5)
        axes.spines[:].set(visible=True, color=QUIET, linewidth=0.6)
    figure.colorbar(colors, ax=list(panels), shrink=0.6, label="mean IoU of a held-out block")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


@styled
def draw_worst(
    rows: Sequence[dict[str, Any]],
    cubes: Mapping[str, Cube],
    labels: Mapping[str, Labels],
    maps: Mapping[str, str | PathLike[str]],
    classes: ClassTable,
    path: str | PathLike[str],
    title: str = "",
) -> None:
    """Draw image, truth and map of the worst blocks.

    Args:
        rows: The blocks, the worst first.
        cubes: Scene -> imagery.
        labels: Scene -> truth.
        maps: Scene -> map.
        classes: The class table.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    count = max(len(rows), 1)
    wide = min(count, 3)
    figure = new_figure(1.45 * 3 * wide + 0.4, 1.85 * -(-count // wide) + 0.9)
    grid = figure.subplots(-(-count // wide), 3 * wide, squeeze=False)
    present: set[int] = set()
    for axes in grid.ravel():
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(visible=False)
    for number, row in enumerate(rows):
        height, width = _inside(row, cubes[row["scene"]].grid.shape)
        box = row["y"], row["x"], height, width
        truth = labels[row["scene"]].hard(*box)
        with rasterio.open(maps[row["scene"]]) as dataset:
            mapped = dataset.read(1, window=Window(row["x"], row["y"], width, height))
        present |= set(np.union1d(np.unique(truth), np.unique(mapped)).tolist())
        first = 3 * (number % wide)
        panels = grid[number // wide, first : first + 3]
        pictures = [_image(cubes[row["scene"]], box), paint(truth, classes), paint(mapped, classes)]
        for axes, picture in zip(panels, pictures, strict=True):
            axes.imshow(picture)
        one, other, _ = row["error"]
        panels[0].set_title(
            f"{row['scene']} {row['y']},{row['x']}", fontsize=7.5, fontweight="bold"
        )
        panels[1].set_title("truth", fontsize=7.5, fontweight="normal")
        panels[2].set_title(
            f"map, {100 * row['accuracy']:.0f} % right", fontsize=7.5, fontweight="normal"
        )
        panels[0].set_xlabel(
            f"{classes.names[one]} -> {classes.names[other]}", fontsize=6.5, loc="left"
        )
    class_legend(figure, classes, present - {0}, columns=6)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _inside(row: dict[str, Any], shape: tuple[int, int]) -> tuple[int, int]:
    """Return the part of a block that lies inside its scene."""
    return min(row["size"], shape[0] - row["y"]), min(row["size"], shape[1] - row["x"])


def _image(cube: Cube, box: tuple[int, int, int, int]) -> Any:
    """Return the natural-color picture of a cube's date that shows most, the last one on ties."""
    raw, valid = cube.read(*box)
    shares = valid.mean(axis=(1, 2))
    date = len(shares) - 1 - int(np.argmax(shares[::-1]))
    bands = list(natural_color(cube.bands))
    return stretched(raw[date, bands].astype(np.float32), valid[date])
