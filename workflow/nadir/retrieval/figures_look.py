"""What figures of retrieval share: thumbnails with a frame that tells right from wrong."""

from __future__ import annotations

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from nadir.raster.style import INK, QUIET

RIGHT, WRONG = "#2b8a3e", "#c92a2a"
"""Frames of right and of wrong images; right ones also have a mark, for eyes that see no green."""

SIDE = 150
"""Side of a thumbnail in pixels."""


def thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture scaled into a square of `SIDE` pixels, white where it is not square."""
    height, width = picture.shape[:2]
    factor = SIDE / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(picture, size, interpolation=how)
    square = np.full((SIDE, SIDE, 3), 255, np.uint8)
    top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def show_picture(
    axes: Axes, picture: NDArray[np.uint8], right: bool | None = None, note: str = ""
) -> None:
    """Show a picture in a frame: green where right, red where wrong, gray where neither."""
    axes.imshow(thumbnail(picture), interpolation="bilinear")
    axes.set_xticks([])
    axes.set_yticks([])
    color = QUIET if right is None else RIGHT if right else WRONG
    for spine in axes.spines.values():
        spine.set(visible=True, color=color, linewidth=0.8 if right is None else 3.0)
    if right:
        axes.text(0.03, 0.97, "✓", transform=axes.transAxes, va="top", color="white", fontsize=9,
                  bbox={"facecolor": RIGHT, "edgecolor": "none", "pad": 1.2})  # fmt: skip
    if note:
        axes.set_xlabel(note, fontsize=7, color=INK, labelpad=2)


def frame_legend(figure: Figure) -> None:
    """Say what the frames mean, below a figure."""
    handles = [
        Patch(facecolor="white", edgecolor=RIGHT, linewidth=2.5, label="✓ shows the query's place"),
        Patch(facecolor="white", edgecolor=WRONG, linewidth=2.5, label="shows another place"),
        Patch(facecolor="white", edgecolor=QUIET, linewidth=0.8, label="query"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)


def outcome_lines() -> list[Line2D]:
    """Return legend entries of lines that are right or wrong."""
    return [
        Line2D([], [], color=RIGHT, linewidth=1.4, label="right at rank 1"),
        Line2D([], [], color=WRONG, linewidth=1.4, linestyle=(0, (3, 2)), label="wrong at rank 1"),
    ]


def empty_note(axes: Axes, text: str) -> None:
    """Say in an empty panel why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", color=QUIET, transform=axes.transAxes)
