"""The world is a function of position, and holds what a landscape holds."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.config.worlds import WorldConfig
from nadir.simulate.cover import Cover
from nadir.simulate.roads import MOTORWAY, RAILWAY, ROAD
from nadir.simulate.world import World

ISSUE_CLASSES = {int(c) for c in Cover}


def test_pieces_equal_the_whole(world: World) -> None:
    whole = world.landcover_at(900.0, 700.0, 600, 800, 1.0)
    for row, column, rows, columns in [(0, 0, 37, 800), (37, 0, 563, 411), (37, 411, 563, 389)]:
        piece = world.landcover_at(900.0 + column, 700.0 + row, rows, columns, 1.0)
        for name in ("cover", "material", "thing"):
            expected = getattr(whole, name)[row : row + rows, column : column + columns]
            assert np.array_equal(getattr(piece, name), expected), name


def test_bounds_and_positions_name_the_same_ground(world: World) -> None:
    left, _, _, top = world.bounds
    by_bounds = world.landcover((left + 300, top - 500, left + 400, top - 450), 1.0)
    by_position = world.landcover_at(300.0, 450.0, 50, 100, 1.0)
    assert np.array_equal(by_bounds.material, by_position.material)


def test_a_finer_view_shows_the_same_ground(world: World) -> None:
    coarse = world.landcover_at(1000.0, 1000.0, 300, 300, 1.0).cover
    fine = world.landcover_at(1000.0, 1000.0, 900, 900, 1 / 3).cover[1::3, 1::3]
    assert (coarse == fine).mean() > 0.999


@pytest.mark.parametrize("seed", range(4))
def test_every_class_occurs_in_a_small_world(seed: int) -> None:
    cfg = WorldConfig(seed=seed, width_km=2.6, height_km=2.6)
    cover = World(cfg).landcover_at(0.0, 0.0, 650, 650, 4.0).cover
    assert set(np.unique(cover)) == ISSUE_CLASSES


def test_rare_classes_are_spread_over_the_default_world() -> None:
    cover = World(WorldConfig()).landcover_at(0.0, 0.0, 1280, 1280, 8.0).cover
    blocks = cover.reshape(8, 160, 8, 160).swapaxes(1, 2).reshape(64, -1)
    for rare in (Cover.BARE, Cover.ISOLATED, Cover.GREEN, Cover.MINING, Cover.TRANSPORT):
        assert ((blocks == rare).sum(1) > 20).mean() > 0.6, rare.name
    share = np.bincount(cover.ravel(), minlength=13)[1:] / cover.size
    assert share.min() > 0.012 and share.max() < 0.4


def test_seeds_give_other_worlds(small_cfg: WorldConfig, world: World) -> None:
    other = World(small_cfg.model_copy(update={"seed": 4}))
    a, b = (w.landcover_at(0.0, 0.0, 200, 200, 10.0).cover for w in (world, other))
    assert (a == b).mean() < 0.6


def test_terrain_is_continuous_and_bounded(world: World) -> None:
    height = world.terrain(world.bounds, 20.0)
    assert height.shape == (130, 130)
    assert height.min() == 0 and 50 < height.max() <= 1.3 * world.cfg.relief_m
    assert np.abs(np.diff(height, axis=0)).max() < 40
    sea = world.landcover(world.bounds, 20.0)
    assert height[(sea.cover == Cover.WATER) & (height == 0)].size > 0


def test_an_inland_world_has_no_sea() -> None:
    inland = World(WorldConfig(width_km=2, height_km=2, sea_share=0))
    assert inland.terrain(inland.bounds, 20.0).min() > 0


def test_buildings_stand_on_built_ground(world: World) -> None:
    houses = world.buildings(world.bounds)
    assert len(houses) > 200
    assert houses["height"].min() > 2 and houses["height"].max() < 40
    left, _, _, top = world.bounds
    cover = world.landcover(world.bounds, 1.0).cover
    at = cover[(top - houses["y"]).astype(int), (houses["x"] - left).astype(int)]
    assert np.isin(at, [Cover.URBAN, Cover.ISOLATED, Cover.INDUSTRY]).all()
    assert {Cover.URBAN, Cover.ISOLATED, Cover.INDUSTRY} <= set(at)


def test_buildings_of_two_halves_are_those_of_the_whole(world: World) -> None:
    left, bottom, right, top = world.bounds
    middle = left + 1111.0
    halves = [
        world.buildings((left, bottom, middle, top)),
        world.buildings((middle, bottom, right, top)),
    ]
    joined = np.concatenate(halves)
    whole = world.buildings(world.bounds)
    assert np.array_equal(np.sort(joined, order=["y", "x"]), np.sort(whole, order=["y", "x"]))


def test_roads_lie_on_transport_or_under_water_free_ground(world: World) -> None:
    roads = world.roads(world.bounds)
    assert {ROAD, MOTORWAY} <= set(roads["kind"]) <= {ROAD, MOTORWAY, RAILWAY}
    left, bottom, right, top = world.bounds
    middle = (roads["start"] + roads["end"]) / 2
    inside = (
        (middle[:, 0] > left)
        & (middle[:, 0] < right)
        & (middle[:, 1] > bottom)
        & (middle[:, 1] < top)
    )
    cover = world.landcover(world.bounds, 1.0).cover
    at = cover[(top - middle[inside, 1]).astype(int), (middle[inside, 0] - left).astype(int)]
    assert np.isin(at, [Cover.TRANSPORT, Cover.WATER]).all()
    assert (at == Cover.TRANSPORT).mean() > 0.8


@pytest.mark.parametrize("width", [2.013, 0.1, -1])
def test_bad_extents_are_refused(width: float) -> None:
    with pytest.raises(ValueError, match="width_km"):
        WorldConfig(width_km=width)
