"""Photos laid on the substrate: what a person looks at to believe an answer, or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nadir.localization.figures_look import (
    OUTCOME_COLORS,
    TRUTH,
    error_text,
    outcome_legend,
    outline,
    show,
)
from nadir.localization.outcomes import OUTCOMES
from nadir.localization.pose import Pose
from nadir.localization.substrate import Substrate, View, warp_onto
from nadir.raster.pictures import read_picture
from nadir.raster.style import INK, QUIET, new_figure, save_png, styled

_SIDE = 340  # pixels of a picture on the sheet
_MARGIN = 1.12  # how much wider than the footprint the shown ground is
_SQUARES = 8  # squares of the checkerboard along a photo's footprint
_DIM = 0.55  # how much the ground around a photo is lightened


@dataclass(frozen=True)
class Panel:
    """One photo and its answer.

    Attributes:
        name: The photo.
        photo: uint8 (height, width, 3).
        view: The substrate around the answer.
        pose: The answer.
        truth: Where the photo really lies; None where that is not known.
        outcome: One of `OUTCOMES`.
        error: Errors of center (px) and direction (degrees), NaN where the truth is not known.
        probability: Of being right; NaN where the method gives none.
        stage: What found it.
    """

    name: str
    photo: NDArray[np.uint8]
    view: View
    pose: Pose
    truth: Pose | None
    outcome: str
    error: tuple[float, float]
    probability: float
    stage: str = ""

    @property
    def caption(self) -> str:
        """What is said of it."""
        sure = f", p = {self.probability:.3f}" if np.isfinite(self.probability) else ""
        return f"{error_text(*self.error)}{sure}"


def read_panel(row: pd.Series, substrate: Substrate) -> Panel:
    """Read the photo of one row of `outcomes_of`, and the ground around its answer.

    Raises:
        InputError: When photo or substrate cannot be read.
    """
    photo = read_picture(row["path"])
    height, width = photo.shape[:2]
    pose = Pose(row["x"], row["y"], row["angle"], row["scale"])
    true = Pose(*(float(row[f"true_{key}"]) for key in ("x", "y", "angle", "scale")))
    side = int(np.ceil(_MARGIN * np.ptp(pose.corners(width, height), axis=0).max()))
    side = max(16, min(side, substrate.width, substrate.height))
    # Answers may lie off the substrate; what is shown is then the ground nearest to them.
    left = int(np.clip(pose.x - side / 2, 0, substrate.width - side))
    top = int(np.clip(pose.y - side / 2, 0, substrate.height - side))
    return Panel(
        name=str(row["photo"]),
        photo=photo,
        view=substrate.view(left, top, side, side, _SIDE),
        pose=pose,
        truth=true if np.isfinite(true.x) else None,
        outcome=str(row["outcome"]),
        error=(float(row["center"]), float(row["turn"])),
        probability=float(row["probability"]),
        stage=str(row["stage"]),
    )


def chosen(outcomes: pd.DataFrame, most: int = 12) -> pd.DataFrame:
    """Return the rows worth looking at: the worst, then the flagged, then a few right ones.

    Args:
        outcomes: From `outcomes_of`.
        most: Rows at most. Up to half are wrong ones (those that were not flagged first, then the
            largest errors), a quarter flagged (the least sure first), the rest right ones spread
            evenly over their errors.
    """
    named = outcomes.sort_values("photo", kind="stable")
    wrong = named[named["outcome"].isin(OUTCOMES[2:4])]
    wrong = wrong.sort_values(["resolved", "center"], ascending=False, kind="stable")
    flagged = named[named["outcome"].isin(OUTCOMES[1:2]) | _unknown_and_flagged(named)]
    flagged = flagged.sort_values("probability", kind="stable")
    rest = named.drop(index=wrong.index.union(flagged.index))
    rest = rest.sort_values("center", kind="stable")
    worst = wrong.head(max(most // 2, most - len(flagged) - len(rest)))
    doubtful = flagged.head(max(most // 4, most - len(worst) - len(rest)))
    room = max(0, most - len(worst) - len(doubtful))
    few = np.unique(np.linspace(0, len(rest) - 1, min(room, len(rest))).round().astype(int))
    return pd.concat([worst, doubtful, rest.iloc[few]]).head(most)


def _unknown_and_flagged(outcomes: pd.DataFrame) -> pd.Series:
    return (outcomes["outcome"] == OUTCOMES[4]) & ~outcomes["resolved"].astype(bool)


@styled
def draw_photo(panel: Panel, path: str | PathLike[str]) -> None:
    """Draw one photo, the photo on the substrate, and a checkerboard of both.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    figure = new_figure(9.6, 3.7)
    axes = figure.subplots(1, 3)
    _draw_panel(axes, panel)
    for one, title in zip(axes, ("Photo", "On the substrate", "Checkerboard"), strict=True):
        one.set_title(title)
    figure.suptitle(_heading(panel), x=0.01, ha="left", fontsize=10)
    save_png(figure, path)


@styled
def draw_sheet(panels: Sequence[Panel], path: str | PathLike[str], title: str = "") -> None:
    """Draw a contact sheet: for each photo itself, it on the substrate, and a checkerboard.

    Args:
        panels: The photos, in the order to show; two side by side.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    across = 2 if len(panels) > 1 else 1
    down = max(1, -(-len(panels) // across))
    figure = new_figure(6.6 * across, 2.5 * down + 0.9)
    blocks = figure.subfigures(down, across, squeeze=False, wspace=0.02)
    for number, panel in enumerate(panels):
        block = blocks[number // across, number % across]
        _draw_panel(block.subplots(1, 3), panel)
        block.suptitle(_heading(panel), x=0.02, ha="left", fontsize=8.5)
    counts = {name: sum(panel.outcome == name for panel in panels) for name in OUTCOMES}
    truth = Line2D([], [], color=INK, linestyle=(0, (3, 2)), label="true footprint")
    outcome_legend(figure, counts, [truth] if any(panel.truth for panel in panels) else [])
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _heading(panel: Panel) -> str:
    stage = f" · {panel.stage}" if panel.stage else ""
    return f"{panel.name} · {panel.outcome} · {panel.caption}{stage}"


def _draw_panel(axes: Sequence[Axes], panel: Panel) -> None:
    """Draw the three pictures of one photo."""
    photo = panel.photo
    height, width = photo.shape[:2]
    shrink = min(1.0, _SIDE / max(height, width))
    small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    shown = cv2.resize(photo, small, interpolation=cv2.INTER_AREA)
    warped, covered = warp_onto(photo, panel.pose, panel.view)
    ground = panel.view.picture
    lightened = (ground * (1 - _DIM) + 255 * _DIM).astype(np.uint8)
    laid = np.where(covered[..., None], warped, lightened)
    squares = _checkerboard(panel, width, height) & covered
    both = np.where(squares[..., None], warped, ground)
    for one, picture in zip(axes, (shown, laid, both), strict=True):
        show(one, picture)
        one.set_anchor("N")
        for spine in one.spines.values():
            spine.set(visible=True, color=QUIET)
    color = OUTCOME_COLORS[panel.outcome]
    for spine in axes[0].spines.values():
        spine.set(color=color, linewidth=2.6)
    for one in axes[1:]:
        if panel.truth is not None:
            outline(one, panel.view, panel.truth, width, height, INK, linewidth=2.4, alpha=0.6)
            outline(one, panel.view, panel.truth, width, height, TRUTH, linestyle=(0, (3, 2)))
        outline(one, panel.view, panel.pose, width, height, color, linewidth=1.8)


def _checkerboard(panel: Panel, width: int, height: int) -> NDArray[np.bool_]:
    """Return every other square of a board that lies along the photo's own rows."""
    rows, columns = panel.view.picture.shape[:2]
    matrix = np.vstack([panel.view.matrix(panel.pose, width, height), [0, 0, 1]])
    back = np.linalg.inv(matrix)[:2]
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    u, v = np.einsum("ij,jyx->iyx", back, np.stack([x, y, np.ones_like(x)]))
    square = max(width, height) / _SQUARES
    return ((u // square + v // square) % 2).astype(int) == 0
