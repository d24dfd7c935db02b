"""Where photos of a world are taken: open spots of many kinds, and where one looks from there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from nadir.errors import InputError
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import Epoch
from nadir.simulate.relief import Relief, relief_around
from nadir.simulate.world import World

KINDS = {"road": 0.26, "town": 0.22, "field": 0.24, "shore": 0.12, "wood": 0.08, "any": 0.08}
"""Kinds of spots and their shares, in the order of `Spots.cells`."""

_SPOT_TAG = 9401
_MOST_CELLS = 1500  # of the map that spots are drawn from, along one axis
_MARGIN = 150.0  # spots lie so far inside the world, in metres
_TRIES = 60
_ROOM = 1.5  # nothing stands within this distance of an observer, in metres
_STEEPEST = 0.3  # slope of the ground under an observer, as rise over run
_BUILT = (Cover.URBAN, Cover.ISOLATED, Cover.INDUSTRY)
_FARMED = (Cover.HERBACEOUS, Cover.WOODY)


@dataclass(frozen=True)
class Spots:
    """Cells of a coarse map of the world, by kind of spot.

    Attributes:
        step: Size of a cell in metres.
        margin: Distance of the map's corner from the world's, in metres.
        cells: One array (n, 2) of rows and columns a kind, in the order of `KINDS`.
    """

    step: float
    margin: float
    cells: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Standpoint:
    """Where an observer stands.

    Attributes:
        x: In metres east of the world's upper-left corner.
        y: South of it.
        heading: Direction of view in degrees from north, clockwise.
        kind: One of `KINDS`.
    """

    x: float
    y: float
    heading: float
    kind: str


def map_spots(world: World) -> Spots:
    """Return where spots of each kind are, from a coarse map of the whole world."""
    width, height = world.frame[:2]
    margin = min(_MARGIN, 0.2 * min(width, height))
    step = max(10.0, max(width, height) / _MOST_CELLS)
    rows, columns = (int((length - 2 * margin) / step) for length in (height, width))
    cover = world.landcover_at(margin, margin, rows, columns, step).cover
    beside = {
        name: binary_dilation(np.isin(cover, classes), np.ones((3, 3)))
        for name, classes in {
            "water": (Cover.WATER,),
            "forest": (Cover.FOREST,),
            "other": [c for c in Cover if c not in _FARMED],
        }.items()
    }
    farmed, water = np.isin(cover, _FARMED), cover == Cover.WATER
    kinds = {
        "road": cover == Cover.TRANSPORT,
        "town": np.isin(cover, _BUILT),
        "field": farmed & beside["other"],
        "shore": ~water & beside["water"],
        "wood": (cover != Cover.FOREST) & beside["forest"] & ~water,
        "any": ~water,
    }
    return Spots(step, margin, tuple(np.argwhere(kinds[kind]) for kind in KINDS))


def choose_standpoint(
    world: World, epoch: Epoch, spots: Spots, seed: int, index: int, number: int
) -> Standpoint:
    """Return where photo `index` of `number` is taken: a function of the arguments alone.

    Kinds of spots come in turn, so that their shares hold; of a few directions the one with the
    most open view is taken.

    Raises:
        InputError: When no open spot is found.
    """
    rng = np.random.default_rng([seed, _SPOT_TAG, index])
    order = np.random.default_rng([seed, _SPOT_TAG]).permutation(number)
    share = (order[index] + 0.5) / number
    kind = int(np.searchsorted(np.cumsum(list(KINDS.values())), share))
    for tried in range(_TRIES):
        cells = spots.cells[kind if tried < _TRIES // 2 else len(KINDS) - 1]
        if not len(cells):
            continue
        row, column = cells[rng.integers(len(cells))] + rng.random(2)
        x, y = spots.margin + column * spots.step, spots.margin + row * spots.step
        here = relief_around(world, epoch, x, y, 20.0, 0.5)
        spot = _open_spot(here, x, y, rng)
        if spot is None:
            continue
        heading = _open_heading(here, *spot, rng)
        if heading is not None:
            return Standpoint(*spot, heading, list(KINDS)[kind])
    raise InputError(
        "views.n",
        f"no open ground was found for photo {index + 1}",
        "Choose another seed, or a larger world.",
    )


def _open_spot(
    relief: Relief, x: float, y: float, rng: np.random.Generator
) -> tuple[float, float] | None:
    """Return an open spot within some metres of a position, or None."""
    size = 2 * round(_ROOM / relief.step) + 1
    taken = binary_dilation(
        (relief.crown > 0) | (relief.owner >= 0) | relief.trunk, np.ones((size, size))
    )
    south, east = np.gradient(relief.ground, relief.step)
    free = ~taken & (np.hypot(south, east) < _STEEPEST) & (relief.cover != Cover.WATER)
    rows, columns = free.shape
    free[: rows // 4], free[-(rows // 4) :] = False, False
    free[:, : columns // 4], free[:, -(columns // 4) :] = False, False
    cells = np.argwhere(free)
    if not len(cells):
        return None
    row, column = cells[rng.integers(len(cells))] + 0.5
    return float(relief.x + column * relief.step), float(relief.y + row * relief.step)


def _open_heading(relief: Relief, x: float, y: float, rng: np.random.Generator) -> float | None:
    """Return the most open of a few directions, or None when all are closed."""
    headings = np.radians(360.0 * (np.arange(6) + rng.random()) / 6)
    lengths = np.arange(1.0, 0.5 * relief.step * relief.ground.shape[0] - 0.5, relief.step)
    spread = np.radians([-20.0, 0.0, 20.0])
    angle = headings[:, None, None] + spread[None, :, None]
    rows = ((y - lengths * np.cos(angle) - relief.y) / relief.step).astype(int)
    columns = ((x + lengths * np.sin(angle) - relief.x) / relief.step).astype(int)
    limit = np.array(relief.ground.shape) - 1
    rows, columns = np.clip(rows, 0, limit[0]), np.clip(columns, 0, limit[1])
    eye = relief.elevation(x, y) + 1.7
    hidden = relief.top[rows, columns] > eye + 0.06 * lengths
    hidden[..., -1] = True
    free = lengths[hidden.argmax(axis=-1)].mean(axis=-1)
    if free.max() < 6.0:
        return None
    best = np.argmax(np.minimum(free, 16.0) + 4.0 * rng.random(len(free)))
    return float(np.degrees(headings[best]) % 360)
