"""Figures of a benchmark: photos laid over the reference where they were located."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nadir.localization.pose import Pose, index_matrix
from nadir.raster.style import INK, new_figure, styled

_CHECKS = 6  # fields of the checkerboard along a photo's side


def laid_over(
    reference: NDArray[np.uint8], photo: NDArray[np.uint8], pose: Pose, side: int = 400
) -> NDArray[np.uint8]:
    """Return the reference around a pose, with the photo in every second field of a checkerboard.

    Where the photo lies right, roads and shores run on across the fields.

    Args:
        reference: (rows, columns, 3) uint8.
        photo: (height, width, 3) uint8.
        pose: Its pose.
        side: Side of the result in pixels.
    """
    height, width = photo.shape[:2]
    reach = 0.75 * pose.scale * float(np.hypot(height, width))
    grow = side / (2 * reach)
    view = np.array([[grow, 0, grow * (reach - pose.x)], [0, grow, grow * (reach - pose.y)]])
    under = cv2.warpAffine(reference, index_matrix(view), (side, side), flags=cv2.INTER_AREA)
    matrix = view[:, :2] @ pose.matrix(width, height)
    matrix[:, 2] += view[:, 2]
    over = cv2.warpAffine(photo, index_matrix(matrix), (side, side), flags=cv2.INTER_LINEAR)
    field = max(height, width) / _CHECKS
    rows, columns = np.mgrid[:height, :width]
    checks = ((rows // field + columns // field) % 2 == 0).astype(np.uint8)
    shown = cv2.warpAffine(checks, index_matrix(matrix), (side, side), flags=cv2.INTER_NEAREST)
    laid = np.where(shown[..., None] > 0, over, under).astype(np.uint8)
    outline = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]], float)
    corners = np.rint(outline @ matrix.T).astype(np.int32)
    cv2.polylines(laid, [corners], True, (255, 220, 0), 1, cv2.LINE_AA)
    return laid


@styled
def side_by_side(looks: Sequence[tuple[NDArray[np.uint8], str]], columns: int = 6) -> Figure:
    """Return a figure of pictures with a line of text above each."""
    rows = -(-len(looks) // columns)
    figure = new_figure(2.1 * columns, 2.3 * rows)
    for k, (picture, text) in enumerate(looks):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.imshow(picture)
        axes.set_title(text, fontsize=6, color=INK)
        axes.set_axis_off()
    return figure
