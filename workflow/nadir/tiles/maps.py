"""Pictures of tiles: where splits lie, what was dropped and why, which classes each split has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nadir.config.classes import ClassTable
from nadir.provenance.atomic import atomic_path
from nadir.raster.grid import Grid
from nadir.tiles.filters import CAUSES, count_causes
from nadir.tiles.ground import places
from nadir.tiles.table import SPLITS, grid_of, scene_of, windows_of

if TYPE_CHECKING:
    import pandas as pd

COLORS = {"train": "#3b6fb6", "validation": "#e8a33d", "test": "#c0392b", "none": "#b9b9b9"}
"""Color of each split, distinct also for color-blind eyes."""
_CAUSE_COLORS = ("#ff4fa3", "#2e86c1", "#8e6fc1", "#5fd0d8", "#e07b39")
_DPI = 130


def draw_split(
    path: str | os.PathLike[str],
    split: pd.DataFrame,
    scenes: Sequence[pd.DataFrame],
    classes: ClassTable,
    backgrounds: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Draw one picture of a split: a map for each scene and the classes of each split.

    Args:
        path: PNG to write; equal input gives equal bytes.
        split: The split (`split_tiles`).
        scenes: Tile tables of the scenes to show.
        classes: The class table.
        backgrounds: Scene -> (h, w, 3) picture in 0..1 of the whole scene (`quicklook`).

    Raises:
        OutputError: When the file cannot be written.
    """
    columns = min(len(scenes), 3)
    rows = -(-len(scenes) // columns)
    figure = Figure(figsize=(5.6 * columns + 5.2, 5.6 * rows + 0.5), layout="constrained")
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[5.6] * columns + [5.0])
    for number, tiles in enumerate(scenes):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        split_map(axes, split, tiles, (backgrounds or {}).get(scene_of(tiles)))
    class_bars(figure.add_subplot(grid[:, columns]), split, classes)
    method = str(split.attrs.get("method", ""))
    leaky = " (leaky: splits share ground or touch)" if method == "random" else ""
    buffer = split.attrs.get("buffer", 0)
    figure.suptitle(f"Split by {method}{leaky}, buffer {buffer:g} px", fontsize=13)
    _save(figure, path)


def draw_filters(
    path: str | os.PathLike[str],
    scenes: Sequence[pd.DataFrame],
    backgrounds: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Draw which tiles were dropped, by cause, one map a scene. Arguments as for `draw_split`."""
    columns = min(len(scenes), 3)
    rows = -(-len(scenes) // columns)
    figure = Figure(figsize=(6.2 * columns, 6.4 * rows), layout="constrained")
    for number, tiles in enumerate(scenes, start=1):
        axes = figure.add_subplot(rows, columns, number)
        filter_map(axes, tiles, (backgrounds or {}).get(scene_of(tiles)))
    _save(figure, path)


def split_map(
    axes: Axes, split: pd.DataFrame, tiles: pd.DataFrame, background: np.ndarray | None = None
) -> None:
    """Draw one scene's tiles, colored by split, with legend and scale bar."""
    grid = grid_of(tiles)
    _backdrop(axes, grid, background)
    rows = split[split["scene"] == scene_of(tiles)]
    handles = []
    for name in (*SPLITS, "none"):
        chosen = rows[rows["split"] == name]
        if len(chosen):
            _paint(axes, windows_of(chosen), COLORS[name], 0.35 if name == "none" else 0.6)
            label = "in none (buffer, border)" if name == "none" else name
            handles.append(Patch(color=COLORS[name], alpha=0.7, label=f"{label}: {len(chosen)}"))
    dropped = int((~tiles["keep"]).sum())
    if dropped:
        label = f"filtered out: {dropped}"
        handles.append(Patch(facecolor="none", edgecolor="#777777", label=label))
    _finish(axes, grid, scene_of(tiles), handles)


def filter_map(axes: Axes, tiles: pd.DataFrame, background: np.ndarray | None = None) -> None:
    """Draw one scene's tiles: outlines where kept, filled by cause where dropped."""
    grid = grid_of(tiles)
    _backdrop(axes, grid, background)
    counts = count_causes(tiles)
    kept = tiles[tiles["keep"]]
    if len(kept):
        _paint(axes, windows_of(kept), "none", 1.0, edge="#ffffff")
    handles = [Patch(facecolor="#dddddd", edgecolor="#ffffff", label=f"kept: {counts['kept']}")]
    for cause, color in zip(CAUSES, _CAUSE_COLORS, strict=True):
        chosen = tiles[tiles["reason"] == cause]
        if len(chosen):
            _paint(axes, windows_of(chosen), color, 0.6)
            handles.append(Patch(color=color, alpha=0.7, label=f"{cause}: {counts[cause]}"))
    _finish(axes, grid, scene_of(tiles), handles)


def class_bars(axes: Axes, split: pd.DataFrame, classes: ClassTable) -> None:
    """Draw the share of each class in each split, on a logarithmic scale; absent ones are named."""
    pixels = split.attrs["pixels"]
    names = [name for name in SPLITS if sum(pixels[name])]
    height = 0.8 / max(1, len(names))
    shares = {name: np.array(pixels[name]) / sum(pixels[name]) for name in names}
    least = min((share[share > 0].min() for share in shares.values()), default=1e-4)
    floor = 10 ** np.floor(np.log10(min(least, 1e-3)))
    for number, name in enumerate(names):
        at = np.arange(classes.count) + (number - (len(names) - 1) / 2) * height
        width = np.maximum(shares[name], floor) - floor
        axes.barh(at, width, height, left=floor, color=COLORS[name], label=name)
        for position in np.flatnonzero(shares[name] == 0):
            axes.text(floor * 1.1, at[position], f"not in {name}", va="center", fontsize=7)
    axes.set_xscale("log")
    axes.set_xlim(floor, 1)
    axes.set_yticks(range(classes.count), classes.names[1:], fontsize=9)
    axes.set_ylim(classes.count - 0.5, -0.5)
    for number, label in enumerate(axes.get_yticklabels()):
        label.set_color("black")
        axes.plot(
            [0], [number], "s", color=classes.colors[number + 1], markersize=7, clip_on=False,
            transform=axes.get_yaxis_transform(), zorder=5,
        )  # fmt: skip
    axes.tick_params(axis="y", length=0, pad=9)
    axes.set_xlabel("share of the labelled pixels of the split's tiles")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", fontsize=9, framealpha=0.9)
    axes.set_title("classes", fontsize=11)


def _paint(
    axes: Axes, windows: np.ndarray, color: str, alpha: float, edge: str = "#ffffff"
) -> None:
    """Fill windows (y, x, h, w) with a color."""
    y, x, h, w = windows.T.astype(float)
    corners = np.stack(
        [np.stack([x, x + w, x + w, x], 1), np.stack([y, y, y + h, y + h], 1)], axis=2
    )
    width = 0.4 if len(windows) < 5000 else 0.0
    faces = PolyCollection(
        list(corners), facecolors=color, alpha=alpha, edgecolors=edge, linewidths=width
    )
    axes.add_collection(faces)


def _backdrop(axes: Axes, grid: Grid, background: np.ndarray | None) -> None:
    """Draw the scene's picture, or plain gray, in pixel coordinates."""
    extent = (0, grid.width, grid.height, 0)
    if background is None:
        background = np.full((1, 1, 3), 0.93)
    axes.imshow(background, extent=extent, interpolation="nearest", aspect="equal")


def _finish(axes: Axes, grid: Grid, title: str, handles: list[Patch]) -> None:
    """Add frame, title, legend and a scale bar."""
    axes.set_xlim(0, grid.width)
    axes.set_ylim(grid.height, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_title(title, fontsize=11)
    axes.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.055), ncols=2, fontsize=9,
        frameon=False,
    )  # fmt: skip
    metres = places({"scene": grid})[0].metres[0]
    bar = _round_length(grid.width * metres / 4)
    width = bar / metres / grid.width  # below the map, where it hides no tile
    axes.fill(
        [0, width, width, 0], [-0.03, -0.03, -0.02, -0.02], color="black", linewidth=0,
        transform=axes.transAxes, clip_on=False,
    )  # fmt: skip
    label = f"{bar / 1000:g} km" if bar >= 1000 else f"{bar:g} m"
    axes.text(width + 0.015, -0.025, label, va="center", fontsize=9, transform=axes.transAxes)


def _round_length(metres: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(metres))
    return float(max(step * power for step in (1, 2, 5) if step * power <= metres))


def _save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG, atomically, with nothing in it that changes from run to run."""
    FigureCanvasAgg(figure)
    with atomic_path(path, ".png") as temporary:
        figure.savefig(temporary, dpi=_DPI, metadata={"Software": None})
