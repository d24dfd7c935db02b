"""Where simulated aerial tiles lie: windows around the towns of a world that have enough roofs."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import shapely

from nadir.config.aerial import AerialConfig
from nadir.errors import InputError
from nadir.simulate.epochs import PRESENT, Epoch
from nadir.simulate.footprints import true_footprints
from nadir.simulate.noise import draw, hash_cell, seed_hash
from nadir.simulate.sites import TOWN_CELL, settlement
from nadir.simulate.world import Bounds, World

log = logging.getLogger(__name__)

_AROUND = 420.0  # suburbs and estates lie within this distance of a town's edge (m)
_CITY_TAG, _TILE_TAG, _LIGHT_TAG = 831, 832, 833
_LOWEST_SUN = {"april": 42.0, "august": 47.0}


@dataclass(frozen=True)
class Tile:
    """A window of the world that becomes one tile.

    Attributes:
        name: The city's name and a number from 1.
        city: Name of the city.
        town: Cell of the settlement that the city is, see `sites.settlement`.
        x: West edge in metres from the world's upper-left corner.
        y: North edge in metres south of it.
        side: Length of its sides in metres.
    """

    name: str
    city: str
    town: tuple[int, int]
    x: float
    y: float
    side: float

    def bounds(self, world: World) -> Bounds:
        """Return left, bottom, right, top in the world's CRS."""
        east, north = world.cfg.origin
        left, top = east + self.x, north - self.y
        return left, top - self.side, left + self.side, top


def flight(cfg: AerialConfig, town: tuple[int, int]) -> Epoch:
    """Return the flight over a city: each is flown at an hour of its own."""
    h = np.uint64(hash_cell(*town, _LIGHT_TAG, seed_hash(cfg.seed)))
    azimuth, elevation = 155.0, _LOWEST_SUN[cfg.season] + 7.0
    azimuth += cfg.light * 70.0 * (draw(h, 1) - 0.5)
    elevation += cfg.light * 12.0 * (draw(h, 2) - 0.5)
    return Epoch(cfg.season, PRESENT, 1.0, float(azimuth), float(elevation))


def place_tiles(world: World, cfg: AerialConfig) -> list[Tile]:
    """Return the tiles of a configuration in the order of `AerialConfig.tile_names`.

    Tiles are cells of one lattice, so that no two share ground; each belongs to the settlement
    nearest to its center. Towns, and windows of a town, are taken in an order that the seed decides
    from those that have enough roofs.

    Raises:
        InputError: When the world has too few towns with enough such windows.
    """
    across, down = (int(np.ceil(length / TOWN_CELL)) + 1 for length in world.frame[:2])
    salt = seed_hash(cfg.seed)
    towns = [(i, j) for j in range(-1, down) for i in range(-1, across)]
    towns.sort(key=lambda town: hash_cell(*town, _CITY_TAG, salt))
    tiles: list[Tile] = []
    found, most = 0, 0
    for town in towns:
        windows = _windows(world, cfg, town)
        most = max(most, len(windows))
        if len(windows) < cfg.tiles_per_city:
            continue
        city = cfg.city_names[found]
        side = cfg.size_px * cfg.resolution
        taken = sorted(windows[: cfg.tiles_per_city], key=lambda cell: cell[::-1])
        tiles += [
            Tile(f"{city}{number}", city, town, column * side, row * side, side)
            for number, (column, row) in enumerate(taken, start=1)
        ]
        found += 1
        if found == cfg.cities:
            return tiles
    raise InputError(
        "aerial.cities",
        f"the world has {found} towns with {cfg.tiles_per_city} windows of "
        f"{cfg.size_px * cfg.resolution:g} m with at least {cfg.buildings} buildings on "
        f"{cfg.built_share:.0%} of the ground, not {cfg.cities} (the largest town has {most})",
        "Make the world larger (width_km, height_km), or lower cities, tiles_per_city, "
        "built_share, buildings or size_px.",
    )


def _windows(world: World, cfg: AerialConfig, town: tuple[int, int]) -> list[tuple[int, int]]:
    """Return (column, row) on the lattice of a town's windows with enough roofs, in random order.

    They lie in the world as a whole.
    """
    x, y, radius, _, _ = settlement(*town, world.seed)
    side, reach = cfg.size_px * cfg.resolution, radius + _AROUND
    # All corners of the lattice that can belong to a window whose center is near.
    low = [max(int(np.floor((at - reach) / side)), 0) for at in (x, y)]
    high = [
        min(int(np.ceil((at + reach) / side)), int((length + 1e-6) / side))
        for at, length in zip((x, y), world.frame[:2], strict=True)
    ]
    cells = [(c, r) for r in range(low[1], high[1]) for c in range(low[0], high[0])]
    cells = [cell for cell in cells if _nearest(world, cell, side) == town]
    if len(cells) < cfg.tiles_per_city:
        return []
    boxes = [Tile("", "", town, c * side, r * side, side).bounds(world) for c, r in cells]
    union = np.array(boxes)
    around = (*union[:, :2].min(axis=0).tolist(), *union[:, 2:].max(axis=0).tolist())
    roofs = true_footprints(world, flight(cfg, town), around).geometry.to_numpy()
    windows = shapely.box(*union.T)
    window, roof = shapely.STRtree(roofs).query(windows)
    covered = shapely.area(shapely.intersection(windows[window], roofs[roof]))
    shares = np.bincount(window, covered, len(cells)) / side**2
    enough = (shares >= cfg.built_share) & (
        np.bincount(window[covered > 0], minlength=len(cells)) >= cfg.buildings
    )
    salt = seed_hash(cfg.seed)
    built = [cells[k] for k in np.flatnonzero(enough)]
    return sorted(built, key=lambda cell: hash_cell(*cell, _TILE_TAG, salt))


def _nearest(world: World, cell: tuple[int, int], side: float) -> tuple[int, int]:
    """Return the settlement nearest to the center of a window."""
    x, y = ((k + 0.5) * side for k in cell)
    i, j = int(np.floor(x / TOWN_CELL)), int(np.floor(y / TOWN_CELL))
    near = [(a, b) for b in range(j - 1, j + 2) for a in range(i - 1, i + 2)]
    places = np.array([settlement(*at, world.seed)[:2] for at in near])
    return near[int(np.argmin(np.hypot(places[:, 0] - x, places[:, 1] - y)))]
