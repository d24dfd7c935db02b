"""Frames of a metric camera, projected exactly: ground to picture, picture to ground, orthophoto.

A point of the ground, the center of projection and its image lie on one line. With R the rotation
from camera to world, R = Rx(omega) Ry(phi) Rz(kappa), the camera's axes x to the right, y up and z
backwards, and d = R' (X - X0), the image of X lies at x = -f d_x / d_z, y = -f d_y / d_z (Kraus,
"Photogrammetry: Geometry from Images and Laser Scans", 2nd ed., de Gruyter 2007, section 2.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from nadir.raster.grid import Grid

_STEP = 2.0  # metres of height between two looks along a ray


@dataclass(frozen=True)
class Camera:
    """A camera's interior orientation, without distortion.

    Attributes:
        width: Columns.
        height: Rows.
        focal: Focal length in pixels.
        cx: Offset of the principal point from the middle in pixels, to the right.
        cy: The same, downwards.
    """

    width: int
    height: int
    focal: float
    cx: float = 0.0
    cy: float = 0.0


@dataclass(frozen=True)
class Terrain:
    """Heights on a grid.

    Attributes:
        heights: (rows, columns) float64 in metres; NaN where not known.
        grid: Its grid; heights are those of pixel centers.
    """

    heights: NDArray[np.float64]
    grid: Grid

    @classmethod
    def read(cls, path: Path) -> Terrain:
        """Return the terrain of a raster file."""
        with rasterio.open(path) as dataset:
            heights = dataset.read(1, masked=True).astype(np.float64).filled(np.nan)
            return cls(heights, Grid.of(dataset))

    def at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return heights at positions, bilinear; NaN outside."""
        column, row = ~self.grid.affine @ (x, y)
        places = np.stack([np.asarray(row) - 0.5, np.asarray(column) - 0.5])
        return map_coordinates(self.heights, places, order=1, cval=np.nan)


@dataclass(frozen=True)
class Frame:
    """A picture with its exterior orientation.

    Attributes:
        camera: The camera.
        center: (3,) center of projection in metres.
        omega: Rotation about x in radians.
        phi: About the turned y.
        kappa: About the turned z.
    """

    camera: Camera
    center: NDArray[np.float64]
    omega: float
    phi: float
    kappa: float

    @property
    def rotation(self) -> NDArray[np.float64]:
        """(3, 3) rotation from camera to world."""
        so, co = np.sin(self.omega), np.cos(self.omega)
        sp, cp = np.sin(self.phi), np.cos(self.phi)
        sk, ck = np.sin(self.kappa), np.cos(self.kappa)
        about_x = np.array([[1, 0, 0], [0, co, -so], [0, so, co]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        about_z = np.array([[ck, -sk, 0], [sk, ck, 0], [0, 0, 1]])
        return np.asarray(about_x @ about_y @ about_z)

    def project(self, ground: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return picture positions (..., 2) of ground points (..., 3), from edges, v down."""
        d = (ground - self.center) @ self.rotation
        depth = np.where(d[..., 2] < 0, d[..., 2], np.nan)  # the camera looks along -z
        camera = self.camera
        u = 0.5 * camera.width + camera.cx - camera.focal * d[..., 0] / depth
        v = 0.5 * camera.height + camera.cy + camera.focal * d[..., 1] / depth
        return np.stack([u, v], -1)

    def meet(self, pixels: NDArray[np.float64], terrain: Terrain) -> NDArray[np.float64]:
        """Return where the rays of picture positions (n, 2) first meet the terrain, (n, 3).

        Rays are followed from the highest ground downwards; NaN where they leave the terrain.
        """
        camera = self.camera
        x = pixels[:, 0] - 0.5 * camera.width - camera.cx
        y = 0.5 * camera.height + camera.cy - pixels[:, 1]
        rays = np.column_stack([x, y, np.full(len(x), -camera.focal)]) @ self.rotation.T
        top, bottom = np.nanmax(terrain.heights) + _STEP, np.nanmin(terrain.heights) - _STEP
        levels = np.linspace(top, bottom, int(np.ceil((top - bottom) / _STEP)) + 1)
        along = (levels - self.center[2]) / rays[:, 2:]
        points = self.center + along[..., None] * rays[:, None, :]
        above = points[..., 2] - terrain.at(points[..., 0], points[..., 1])
        hit = above <= 0
        first = np.clip(hit.argmax(1), 1, None)
        which = np.arange(len(pixels))
        before, after = above[which, first - 1], above[which, first]
        share = before / (before - after)
        found = points[which, first - 1] + share[:, None] * (
            points[which, first] - points[which, first - 1]
        )
        found[~hit.any(1)] = np.nan
        return np.asarray(found)

    def orthophoto(
        self, picture: NDArray[np.uint8], terrain: Terrain, grid: Grid
    ) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Return the picture (h, w, 3) laid on a grid, and where it shows ground.

        Each pixel of the grid is looked up where its ground is seen in the picture. Ground that
        hides behind a ridge shows the ridge, as in most orthophotos.
        """
        columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
        x, y = (np.asarray(one) for one in grid.affine @ (columns, rows))
        seen = self.project(np.stack([x, y, terrain.at(x, y)], -1))
        height, width = picture.shape[:2]
        with np.errstate(invalid="ignore"):
            inside = (seen >= 1.0) & (seen <= np.array([width, height]) - 1.0)
        valid = np.asarray(inside.all(-1))
        maps = np.nan_to_num(seen - 0.5, nan=-1e6).astype(np.float32)
        laid = cv2.remap(picture, maps[..., 0], maps[..., 1], cv2.INTER_CUBIC)
        laid[~valid] = 0
        return np.asarray(laid, np.uint8), valid


def best_similarity(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the (2, 3) similarity that takes points (n, 2) nearest to others (least squares).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    IEEE TPAMI 13(4), 1991, in the plane: with complex numbers the fit is linear.
    """
    one, other = source @ (1, 1j), target @ (1, 1j)
    turn = np.vdot(one - one.mean(), other - other.mean()) / np.vdot(
        one - one.mean(), one - one.mean()
    )
    shift = other.mean() - turn * one.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
