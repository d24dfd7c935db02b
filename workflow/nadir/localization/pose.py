"""Poses: where a photo lies on a substrate, in one convention.

Positions are continuous pixel coordinates counted from edges: (0, 0) is the outer corner of the
upper-left pixel, the center of pixel (row r, column c) is (c + 0.5, r + 0.5), x to the right and y
down. Mixing them with indices of pixel centers costs half a pixel, rotated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CORNERS = ("left_top", "right_top", "left_bottom", "right_bottom")
"""Corners of a photo, in the order in which `Pose.corners` gives them."""

PIXELS, DEGREES = 10.0, 1.0
"""Largest errors of a right pose, by default: of the center in substrate pixels, of the angle."""


@dataclass(frozen=True)
class Pose:
    """A similarity from photo to substrate.

    Attributes:
        x: Where the photo's geometric center lies on the substrate, in substrate pixels.
        y: The same, downwards.
        angle: Direction of the photo's rows on the substrate in degrees, 0 to 360, clockwise on
            the screen: going right by 1 in the photo goes (cos, sin) of the angle in (x, y).
        scale: Substrate pixels per photo pixel.
    """

    x: float
    y: float
    angle: float
    scale: float = 1.0

    def matrix(self, width: int, height: int) -> NDArray[np.float64]:
        """Return the (2, 3) matrix from photo (u, v, 1) to substrate (x, y), both from edges.

        Args:
            width: Columns of the photo.
            height: Rows of the photo.
        """
        turn = np.deg2rad(self.angle)
        cos, sin = self.scale * np.cos(turn), self.scale * np.sin(turn)
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([self.x, self.y]) - linear @ (0.5 * width, 0.5 * height)
        return np.column_stack([linear, shift])

    def corners(self, width: int, height: int) -> NDArray[np.float64]:
        """Return the outer corners (4, 2) in the order of `CORNERS`, in substrate pixels."""
        photo = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], float)
        return photo @ self.matrix(width, height).T

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.float64], width: int, height: int) -> Pose:
        """Return the pose of a (2, 3) similarity from photo to substrate; see `matrix`."""
        x, y = matrix @ (0.5 * width, 0.5 * height, 1.0)
        angle = np.rad2deg(np.arctan2(matrix[1, 0], matrix[0, 0])) % 360.0
        return cls(float(x), float(y), float(angle), float(np.hypot(matrix[0, 0], matrix[1, 0])))


def index_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a (2, 3) matrix between edge-based coordinates as one between pixel indices.

    OpenCV and PyTorch put index (0, 0) at the *center* of the first pixel.
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    return np.column_stack([linear, linear @ (0.5, 0.5) + shift - 0.5])


def angle_difference(one: ArrayLike, other: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest angle between directions in degrees, 0 to 180."""
    turned = np.abs(np.asarray(one, float) - np.asarray(other, float)) % 360.0
    return np.minimum(turned, 360.0 - turned)
