"""One window of the simulated products: two Sentinel-2 dates and the mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from nadir.simulate.mask import draw_mask
from nadir.simulate.noise import gradient_noise
from nadir.simulate.sensor import HALO, cloud_level, expose, mix_pixels, record
from nadir.simulate.terrain import heights
from nadir.simulate.world import World

PIXEL = 10
"""Size in metres of the imagery's pixels; the mask has pixels of 1 m."""


@dataclass(frozen=True)
class Window:
    """What a window of the world looks like.

    Attributes:
        numbers: (date, band, rows, columns) uint16 digital numbers, 0 beyond the swath.
        mask: (10 * rows, 10 * columns) uint8 classes, 0 where nothing was mapped.
    """

    numbers: np.ndarray
    mask: np.ndarray


def render_window(world: World, row: int, column: int, rows: int, columns: int) -> Window:
    """Render a window of the products.

    Args:
        world: The world.
        row: First row on the 10 m grid; even.
        column: First column; even.
        rows: Height in pixels of 10 m; even.
        columns: Width; even.

    Returns:
        Values that do not depend on how the world is cut into windows.
    """
    cfg, margin = world.cfg, HALO * PIXEL
    r0, c0 = row - HALO, column - HALO
    ground = world.landcover_at(
        c0 * PIXEL, r0 * PIXEL, (rows + 2 * HALO) * PIXEL, (columns + 2 * HALO) * PIXEL, 1.0
    )
    light = mix_pixels(
        ground.material, ground.thing, r0 * PIXEL, c0 * PIXEL, PIXEL, cfg.variation, world.seed
    )
    mask = draw_mask(
        ground.cover, row * PIXEL, column * PIXEL, margin, cfg.label_noise_m, world.seed
    )
    del ground
    height = heights(
        (c0 - 0.5) * PIXEL, (r0 - 0.5) * PIXEL, float(PIXEL),
        rows + 2 * HALO + 2, columns + 2 * HALO + 2, world.frame, world.seed,
    )  # fmt: skip
    expose(
        light, height, r0, c0, world.frame[2], cfg.snow and world.frame[2] > 0, cfg.drift,
        cfg.texture, cloud_level(cfg.cloud_share), world.seed,
    )  # fmt: skip
    numbers = record(light, row, column, cfg.sensor_noise, world.seed)
    if cfg.swath_edge:
        _cut_swath(numbers, row, column, world.frame)
    if cfg.unmapped_corner:
        _cut_mask(mask, row * PIXEL, column * PIXEL, world.frame, world.seed)
    return Window(numbers, mask)


@njit(cache=True, nogil=True)
def _cut_swath(numbers, row0, col0, frame):
    """Set the second date to no data beyond the swath: a slanted line in the north-east."""
    for r in range(numbers.shape[2]):
        y = (row0 + r + 0.5) * PIXEL
        edge = frame[0] - 0.2 * (0.35 * frame[1] - y)
        for c in range(numbers.shape[3]):
            if (col0 + c + 0.5) * PIXEL > edge:
                numbers[1, :, r, c] = 0


@njit(cache=True, nogil=True)
def _cut_mask(mask, row0, col0, frame, seed):
    """Set the mask to no data beyond the border of the mapped region, in the south-west."""
    corner = 0.14 * min(frame[0], frame[1])
    for r in range(mask.shape[0]):
        y = row0 + r + 0.5
        if y < frame[1] - 2.0 * corner:
            continue
        bend = 0.25 * corner * gradient_noise(y / (0.4 * corner), 0.5, 701, seed)
        for c in range(mask.shape[1]):
            if (col0 + c + 0.5) + (frame[1] - y) < corner + bend:
                mask[r, c] = 0
