"""The world: one object that answers what is where, for any rectangle, at any resolution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from nadir.config.worlds import WorldConfig
from nadir.simulate.buildings import (
    BAX,
    BAY,
    BCOS,
    BSIN,
    BX,
    BY,
    HEIGHT,
    ROOF,
    collect_buildings,
    paint_buildings,
)
from nadir.simulate.countryside import (
    DISTRICT_CELL,
    STAND_CELL,
    tabulate_districts,
    tabulate_stands,
)
from nadir.simulate.cover import paint_cover
from nadir.simulate.noise import seed_hash
from nadir.simulate.roads import collect_roads, paint_roads
from nadir.simulate.sites import collect_sites, paint_sites
from nadir.simulate.terrain import LATTICE, heights, make_frame, tabulate_fields

_MARGIN = 150.0  # how far beyond a window things may matter to it, in metres
_WARP = 80.0  # bound of the displacement of natural borders, in metres

Bounds = tuple[float, float, float, float]
"""Left, bottom, right, top in the world's coordinate system (m)."""


@dataclass(frozen=True)
class LandCover:
    """Land cover of a window, rows from north to south.

    Attributes:
        cover: (rows, columns) uint8, values of `cover.Cover`.
        material: (rows, columns) uint8, values of `materials.Material`.
        thing: (rows, columns) uint32, equal within one parcel, stand, lot or roof.
    """

    cover: np.ndarray
    material: np.ndarray
    thing: np.ndarray


class World:
    """A procedural world, evaluated on demand.

    Everything is a function of the configuration and of position: two windows that share ground
    agree on it exactly when their pixels coincide. Nothing is kept between calls, so memory is
    that of one window, and threads may share a world.

    Args:
        cfg: The configuration.
    """

    def __init__(self, cfg: WorldConfig) -> None:
        self.cfg = cfg
        self.seed = seed_hash(cfg.seed)
        self.frame = make_frame(10.0 * cfg.width, 10.0 * cfg.height, cfg.relief_m, cfg.sea_share)

    @cached_property
    def bounds(self) -> Bounds:
        """(left, bottom, right, top) of the whole world, in metres of its CRS."""
        left, top = self.cfg.origin
        return left, top - 10.0 * self.cfg.height, left + 10.0 * self.cfg.width, top

    def terrain(self, bounds: Bounds, resolution: float) -> np.ndarray:
        """Return (rows, columns) float32 heights above the sea (m) at the centers of the pixels.

        Args:
            bounds: Left, bottom, right, top in the world's CRS; may reach beyond the world.
            resolution: Pixel size in metres.
        """
        x, y, rows, columns = self._window(bounds, resolution)
        half = 0.5 * resolution
        return heights(x + half, y + half, resolution, rows, columns, self.frame, self.seed)

    def landcover(self, bounds: Bounds, resolution: float = 1.0) -> LandCover:
        """Return class and material at the centers of the pixels.

        Args:
            bounds: Left, bottom, right, top in the world's CRS; may reach beyond the world.
            resolution: Pixel size in metres.
        """
        return self.landcover_at(*self._window(bounds, resolution), resolution)

    def landcover_at(self, x: float, y: float, rows: int, columns: int, step: float) -> LandCover:
        """Return land cover of a window given by metres east and south of the world's corner."""
        x1, y1 = x + columns * step, y + rows * step
        i0, j0 = int(np.floor(x / LATTICE)), int(np.floor(y / LATTICE))
        i1, j1 = int(np.floor(x1 / LATTICE)) + 2, int(np.floor(y1 / LATTICE)) + 2
        fields = tabulate_fields(i0, j0, j1 - j0, i1 - i0, self.frame, self.seed)
        cells = self.cells(x, y, x1, y1)
        sites, hashes, roads, houses = self.features(x, y, x1, y1)
        window = (float(x), float(y), float(step), rows, columns)
        painted = (
            paint_sites(sites, *window),
            paint_roads(roads, *window),
            *paint_buildings(houses, *window),
        )
        return LandCover(
            *paint_cover(*window, fields, i0, j0, *cells, sites, hashes, *painted, self.seed)
        )

    def cells(self, x0: float, y0: float, x1: float, y1: float) -> list[Any]:
        """Return the farming districts and the natural stands that a rectangle may touch.

        Returns:
            Table, hashes, first column and first row of `countryside.tabulate_districts`, then the
            same of `countryside.tabulate_stands`.
        """
        found: list[Any] = []
        for size, tabulate in ((DISTRICT_CELL, tabulate_districts), (STAND_CELL, tabulate_stands)):
            a, b = int(np.floor((x0 - _WARP) / size)) - 1, int(np.floor((y0 - _WARP) / size)) - 1
            c, d = int(np.floor((x1 + _WARP) / size)) + 2, int(np.floor((y1 + _WARP) / size)) + 2
            found += [*tabulate(a, b, d - b, c - a, self.frame, self.seed), a, b]
        return found

    def buildings(self, bounds: Bounds) -> np.ndarray:
        """Return the buildings whose center lies in `bounds`.

        Returns:
            Structured array (n,): `x`, `y` center and outer `corners` (4, 2) in the CRS, `height`
            (m), `roof` (see `buildings`), sorted by position; see `footprints` for polygons.
        """
        left, bottom, right, top = bounds
        x0, y0, _, _ = self._window(bounds, 1.0)
        x1, y1 = x0 + (right - left), y0 + (top - bottom)
        table = self.features(x0, y0, x1, y1)[3]
        table = table[
            (table[:, BX] >= x0) & (table[:, BX] < x1) & (table[:, BY] >= y0) & (table[:, BY] < y1)
        ]
        table = table[np.lexsort((table[:, BX], table[:, BY]))]
        out = np.zeros(
            len(table),
            [("x", "f8"), ("y", "f8"), ("corners", "f8", (4, 2)), ("height", "f8"), ("roof", "u1")],
        )
        east, north = self.cfg.origin
        out["x"], out["y"] = east + table[:, BX], north - table[:, BY]
        for k, (su, sv) in enumerate(((-1, -1), (1, -1), (1, 1), (-1, 1))):
            u, v = su * table[:, BAX], sv * table[:, BAY]
            out["corners"][:, k, 0] = out["x"] + u * table[:, BCOS] - v * table[:, BSIN]
            out["corners"][:, k, 1] = out["y"] - u * table[:, BSIN] - v * table[:, BCOS]
        out["height"], out["roof"] = table[:, HEIGHT], table[:, ROOF]
        return out

    def roads(self, bounds: Bounds) -> np.ndarray:
        """Return the road segments that touch `bounds`.

        Returns:
            Structured array (n,): `start` and `end` (2,) in the CRS, `paved` and `whole` widths
            (m), `kind` (`roads.ROAD`, `MOTORWAY` or `RAILWAY`).
        """
        left, bottom, right, top = bounds
        x0, y0, _, _ = self._window(bounds, 1.0)
        table = collect_roads(x0, y0, x0 + (right - left), y0 + (top - bottom), self.seed)
        kinds = [
            ("start", "f8", (2,)),
            ("end", "f8", (2,)),
            ("paved", "f8"),
            ("whole", "f8"),
            ("kind", "u1"),
        ]
        out = np.zeros(len(table), kinds)
        east, north = self.cfg.origin
        for name, k in (("start", 0), ("end", 2)):
            out[name][:, 0], out[name][:, 1] = east + table[:, k], north - table[:, k + 1]
        out["paved"], out["whole"], out["kind"] = 2 * table[:, 4], 2 * table[:, 5], table[:, 6]
        return out

    def _window(self, bounds: Bounds, resolution: float) -> tuple[float, float, int, int]:
        left, bottom, right, top = bounds
        east, north = self.cfg.origin
        rows, columns = round((top - bottom) / resolution), round((right - left) / resolution)
        return float(left - east), float(north - top), rows, columns

    def features(
        self, x0: float, y0: float, x1: float, y1: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what is drawn as shapes near a rectangle in metres from the world's corner.

        Returns:
            What `sites_and_roads` returns, and a table of buildings
            (`buildings.collect_buildings`), which reach 80 m beyond the rectangle.
        """
        sites, hashes, roads = self.sites_and_roads(x0, y0, x1, y1)
        box = _widened(x0, y0, x1, y1)
        houses = collect_buildings(sites, hashes, roads, self.cfg.courtyards, self.frame, self.seed)
        near = (
            (houses[:, BX] > box[0] + 70) & (houses[:, BX] < box[2] - 70)
            & (houses[:, BY] > box[1] + 70) & (houses[:, BY] < box[3] - 70)
        )  # fmt: skip  # beyond, too few neighbors are known to decide whether a building stands
        return sites, hashes, roads, houses[near]

    def sites_and_roads(
        self, x0: float, y0: float, x1: float, y1: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return sites and roads to 150 m beyond a rectangle in metres from the world's corner.

        Returns:
            Table of sites and their hashes (`sites.collect_sites`), and of road segments
            (`roads.collect_roads`).
        """
        box = _widened(x0, y0, x1, y1)
        return *collect_sites(*box, self.frame, self.seed), collect_roads(*box, self.seed)


def _widened(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
    """Return a rectangle with the margin in which things may matter to it."""
    return float(x0 - _MARGIN), float(y0 - _MARGIN), float(x1 + _MARGIN), float(y1 + _MARGIN)
