"""Pictures of what was generated: samples beside photos, latent walks, and pairing matrices."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from nadir.groundview.matching import in_order, matched
from nadir.groundview.pairs import Pairs
from nadir.groundview.view_store import Views
from nadir.raster.style import INK, QUIET, new_figure, save_png, styled

RIGHT, WRONG = "#2b8a3e", "#c92a2a"
"""Frames of right and wrong matches; right ones have a mark besides."""

_CELL = 1.1  # inches


def evenly(count: int, most: int) -> NDArray[np.intp]:
    """Return at most so many numbers, evenly spread from 0 to `count` - 1."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.intp))


def as_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture (3, height, width) as (height, width, 3)."""
    return np.ascontiguousarray(picture.transpose(1, 2, 0))


def show_view(
    axes: Axes, picture: NDArray[np.uint8], *, right: bool | None = None, note: str = ""
) -> None:
    """Show a picture (3, height, width), framed where it is right or wrong."""
    axes.imshow(as_picture(picture), interpolation="bilinear")
    axes.set_xticks([])
    axes.set_yticks([])
    color = "#d5dae0" if right is None else RIGHT if right else WRONG
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=0.6 if right is None else 3.0)
    if right:
        axes.text(0.04, 0.96, "✓", transform=axes.transAxes, va="top", color="white", fontsize=9,
                  bbox={"facecolor": RIGHT, "edgecolor": "none", "pad": 1.2})  # fmt: skip
    if note:
        axes.set_xlabel(note, fontsize=7.5, color=INK, labelpad=2)


@styled
def draw_samples(
    test: Pairs, views: Views, path: str | PathLike[str], *, title: str = "", rows: int = 8
) -> None:
    """Draw test pairs spread evenly: crop, photo, first generated view, further samples.

    Args:
        test: The test pairs.
        views: What was generated for them.
        path: The PNG to write.
        title: Heading.
        rows: Pairs at most.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    chosen = evenly(len(test), rows)
    samples = min(views.views.shape[1], 4)
    heads = ["crop", "photo", "generated", *(f"sample {k}" for k in range(2, samples + 1))]
    figure = new_figure(_CELL * len(heads) + 0.3, _CELL * len(chosen) + 0.8)
    panels = figure.subplots(len(chosen), len(heads), squeeze=False)
    headings = test.headings
    for line, row in zip(panels, chosen, strict=True):
        known = bool(np.isfinite(headings[row]))
        note = "view is up" if known else "north is up"
        show_view(line[0], test.turned[row], note=note)
        show_view(line[1], test.photos[row])
        for axes, view in zip(line[2:], views.views[row], strict=False):
            show_view(axes, view)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.set_title(head, fontsize=9, color=QUIET)
    said = "test places that training has not seen"
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


@styled
def draw_walk(views: Views, path: str | PathLike[str], *, title: str = "", most: int = 10) -> None:
    """Draw walks through the latent space, one a row; a note where there are none.

    Args:
        views: What was generated.
        path: The PNG to write.
        title: Heading.
        most: Steps that are shown of each, evenly spread.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    if not len(views.walk):
        figure = new_figure(6.0, 1.4)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no walks were asked for", ha="center", color=QUIET)
        save_png(figure, path)
        return
    steps = evenly(views.walk.shape[1], most)
    figure = new_figure(0.95 * len(steps) + 0.3, 0.98 * len(views.walk) + 0.6)
    panels = figure.subplots(len(views.walk), len(steps), squeeze=False)
    for line, walk in zip(panels, views.walk, strict=True):
        for axes, step in zip(line, steps, strict=True):
            show_view(axes, walk[step])
    said = "from one point of the latent space to another, the place being the same in a row"
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


@styled
def draw_pairing(
    test: Pairs,
    views: Views,
    pairing: dict[str, Any],
    path: str | PathLike[str],
    *,
    title: str = "",
) -> None:
    """Draw for each loss which photo each generated view is matched to, among those of a draw.

    Dark is near, by rank in the row; a frame marks the nearest, which is right on the diagonal.

    Args:
        test: The test pairs.
        views: What was generated for them.
        pairing: The section `pairing` of the scores.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    drawn, losses = pairing["drawn"], pairing["losses"]
    figure = new_figure(3.15 * len(losses) + 0.2, 4.3)
    panels = figure.subplots(1, len(losses), squeeze=False)[0]
    photos = _strip([test.photos[row] for row in drawn], vertical=False)
    made = _strip([views.views[row, 0] for row in drawn], vertical=True)
    for number, (axes, name) in enumerate(zip(panels, in_order(losses), strict=True)):
        found = losses[name]
        table = np.array(found["distances"], np.float64)
        ranks = table.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        axes.imshow(-ranks, cmap="Blues", vmin=-len(drawn), vmax=0, extent=_box(len(drawn)))
        for row, column in enumerate(matched(table)):
            color = RIGHT if row == column else WRONG
            corner = (column, len(drawn) - 1 - row)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=color, linewidth=1.8))
        wide = len(drawn)
        axes.imshow(photos, extent=(0, wide, wide + 0.15, wide + 1.15), interpolation="bilinear")
        axes.imshow(made, extent=(-1.15, -0.15, 0, wide), interpolation="bilinear")
        axes.set_xlim(-1.2, wide)
        axes.set_ylim(0, wide + 1.2)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        value = found["accuracy"]
        low, high = _percent(value["low"]), _percent(value["high"])
        axes.set_title(f"{name}: {_percent(value['value'])} % ({low}–{high})", fontsize=9.5)
        if number == 0:
            axes.set_ylabel("generated views", color=QUIET)
        axes.set_xlabel("photos of the places", color=QUIET)
    said = (
        f"the photo of the place is the nearest among {pairing['n']}; "
        f"by chance {_percent(pairing['chance'])} %. Dark: near, by rank in a row; framed: nearest"
    )
    figure.suptitle(f"{title}    {said}" if title else said, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f}"


def _box(count: int) -> tuple[float, float, float, float]:
    return (0, count, 0, count)


def _strip(pictures: list[NDArray[np.uint8]], *, vertical: bool) -> NDArray[np.uint8]:
    """Return pictures (3, height, width) joined to one, (height, width, 3)."""
    return np.concatenate([as_picture(picture) for picture in pictures], axis=0 if vertical else 1)
