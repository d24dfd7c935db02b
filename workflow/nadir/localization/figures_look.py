"""How outcomes look in every picture of localization, and what those pictures share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch, Polygon
from numpy.typing import NDArray

from nadir.localization.outcomes import OUTCOMES
from nadir.localization.pose import Pose
from nadir.localization.substrate import View
from nadir.raster.style import QUIET

OUTCOME_COLORS = dict(
    zip(OUTCOMES, ("#1f6feb", "#66b2ff", "#f08c00", "#d6336c", QUIET), strict=True)
)
"""Outcome -> color; told apart without red and green."""
TRUTH = "#ffffff"
"""Color of true footprints, over pictures."""

_AROUND = [0, 1, 3, 2]  # corners in the order of `CORNERS`, as a ring


def outline(
    axes: Axes, view: View, pose: Pose, width: int, height: int, color: str, **look: Any
) -> None:
    """Draw the footprint of a photo on a view; its upper edge has a tick in the middle."""
    corners = view.place(pose.corners(width, height)[_AROUND])
    look = {"linewidth": 1.4} | look
    axes.add_patch(Polygon(corners, closed=True, fill=False, edgecolor=color, **look))
    middle = corners[:2].mean(0)
    inward = corners.mean(0) - middle
    tick = np.stack([middle, middle + 0.16 * inward])
    thin = {key: look[key] for key in ("linewidth", "alpha") if key in look}
    axes.plot(*tick.T, color=color, solid_capstyle="butt", **thin)


def show(axes: Axes, picture: NDArray[np.uint8]) -> None:
    """Show a picture in coordinates from edges, without ticks."""
    height, width = picture.shape[:2]
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def pale(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture in light gray, on which colors stand out."""
    gray = picture @ np.array([0.299, 0.587, 0.114])
    low, high = np.percentile(gray, [1, 99])
    share = ((gray - low) / max(high - low, 1.0)).clip(0, 1)
    return np.repeat((110 + 135 * share).astype(np.uint8)[..., None], 3, axis=2)


def outcome_legend(figure: Figure, counts: dict[str, int], extra: Iterable[Any] = ()) -> Legend:
    """Put a legend of the outcomes that occur below a figure, with how many there are."""
    handles = [
        Patch(facecolor=OUTCOME_COLORS[name], label=f"{name} ({counts[name]})")
        for name in OUTCOMES
        if counts.get(name)
    ]
    return figure.legend(
        handles=[*handles, *extra], loc="outside lower center", ncols=4, handleheight=1.0
    )


def error_text(center: float, turn: float) -> str:
    """Return an error as people say it: "2.1 px, 0.3°"."""
    if not np.isfinite(center):
        return "truth unknown"
    digits = 1 if center < 100 else 0
    return f"{center:.{digits}f} px, {turn:.{1 if turn < 10 else 0}f}°"
