"""Buildings made by code: masks, probabilities and labels with known truth."""

from __future__ import annotations

import cv2
import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize
from shapely import affinity

from nadir.config.classes import ClassTable, LandClass
from nadir.raster.grid import Grid

CLASSES = ClassTable(
    classes=(
        LandClass(value=0, name="background", color="#eeeeee"),
        LandClass(value=200, name="building", color="#c0392b"),
    ),
    nodata=(9,),
)
UTM = Grid("EPSG:32645", (0.5, 0.0, 350_000.0, 0.0, -0.5, 3_057_000.0), 256, 320)


class GridLabels:
    """Labels in memory with a grid; 0 beyond the border."""

    def __init__(self, ids, grid=None):
        self._ids = ids
        self.grid = grid or Grid.of_pixels(*ids.shape)
        self.shape = ids.shape

    def hard(self, y, x, height, width):
        out = np.zeros((height, width), np.uint8)
        part = self._ids[max(y, 0) : y + height, max(x, 0) : x + width]
        top, left = max(-y, 0), max(-x, 0)
        out[top : top + part.shape[0], left : left + part.shape[1]] = part
        return out


def building(width, height, angle, x, y, notch=False):
    """A rectangle (or an L) around (x, y), in pixels."""
    shape = shapely.box(-width / 2, -height / 2, width / 2, height / 2)
    if notch:
        shape = shape.difference(shapely.box(0, 0, width, height))
    return affinity.translate(affinity.rotate(shape, angle, origin=(0, 0)), x, y)


def town(height, width, seed, count=200, gap=4.0):
    """Buildings of all directions that keep `gap` pixels apart, in pixels."""
    rng = np.random.default_rng([seed, 11])
    found = []
    for number in range(count):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        one = building(*rng.uniform(12, 40, 2), rng.uniform(0, 90), x, y, number % 3 == 0)
        if all(one.distance(other) > gap for other in found):
            found.append(one)
    return found


def burnt(shapes, height, width):
    """Return the mask (float32, 0 to 1) of shapes, exact to an eighth of a pixel."""
    fine = np.zeros((8 * height, 8 * width), np.uint8)
    if len(shapes):
        eighth = Affine.scale(1 / 8)
        rasterize([(shape, 1) for shape in shapes], out=fine, transform=eighth)
    return fine.reshape(height, 8, width, 8).mean(axis=(1, 3)).astype(np.float32)


def probability(shapes, height, width, blur=1.0, noise=0.0, seed=0):
    """Return uint8 probabilities (v / 250) of shapes as a network gives them: soft and noisy."""
    soft = cv2.GaussianBlur(burnt(shapes, height, width), (0, 0), blur)
    if noise:
        rough = np.random.default_rng([seed, 12]).normal(0, 1, (height, width)).astype(np.float32)
        rough = cv2.GaussianBlur(rough, (0, 0), 1.5)
        soft = soft + noise * rough / rough.std()
    return np.rint(250 / (1 + np.exp(-10 * (soft - 0.5)))).astype(np.uint8)
