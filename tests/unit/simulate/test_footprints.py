"""Footprints are what the aerial rendering draws, courtyards and overlaps included."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.features import rasterize

from nadir.config.worlds import WorldConfig
from nadir.simulate.aerial import Aerial, render_aerial
from nadir.simulate.buildings import (
    BAX,
    BAY,
    BX,
    BY,
    COURT_U,
    COURT_V,
    HEIGHT,
    edge_distance,
)
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import PRESENT, Epoch
from nadir.simulate.footprints import (
    clip_to,
    outlines,
    true_footprints,
    visible_parts,
    window_of,
)
from nadir.simulate.materials import Material
from nadir.simulate.surface import owner_keys
from nadir.simulate.world import Bounds, World

FLIGHT = Epoch("april", PRESENT, 1.0, azimuth=155.0, elevation=48.0)
STEP, SIDE = 0.3, 400


@pytest.fixture(scope="module")
def courts() -> World:
    """The world of `small_cfg`, with courtyards wherever they have room."""
    return World(WorldConfig(seed=3, width_km=2.6, height_km=2.6, courtyards=1.0))


@pytest.fixture(scope="module")
def block(courts: World) -> np.ndarray:
    """Row of the building with the largest courtyard."""
    table = courts.features(0.0, 0.0, 2600.0, 2600.0)[3]
    return table[np.argmax(table[:, COURT_U] * table[:, COURT_V])]


def around(world: World, x: float, y: float) -> Bounds:
    """Return a window of `SIDE` pixels around a position in metres from the world's corner."""
    east, north = world.cfg.origin
    left, top = east + np.floor(x - STEP * SIDE / 2), north - np.floor(y - STEP * SIDE / 2)
    return left, top - STEP * SIDE, left + STEP * SIDE, top


def view_of(world: World, bounds: Bounds, overhang: float = 0.0) -> Aerial:
    x, y, _, _ = window_of(world, bounds)
    return render_aerial(world, FLIGHT, x, y, SIDE, SIDE, STEP, overhang=overhang)


def owners(world: World, bounds: Bounds) -> np.ndarray:
    """Return the footprints of a window as a raster of owners."""
    table = true_footprints(world, FLIGHT, bounds)
    return rasterize(
        zip(table.geometry, table["building"].astype(np.uint32), strict=True),
        out_shape=(SIDE, SIDE),
        transform=Affine(STEP, 0, bounds[0], 0, -STEP, bounds[3]),
        dtype="uint32",
    )


def test_footprints_are_the_roofs_that_are_drawn(courts: World, block: np.ndarray) -> None:
    farm = next(house for house in courts.buildings(courts.bounds) if house["height"] < 6)
    left, _, _, top = courts.bounds
    for x, y in [(block[BX], block[BY]), (farm["x"] - left, top - farm["y"])]:
        bounds = around(courts, x, y)
        drawn, truth = view_of(courts, bounds).owner, owners(courts, bounds)
        both = (drawn > 0) | (truth > 0)
        assert both.mean() > 0.005
        assert ((drawn > 0) & (truth > 0)).sum() / both.sum() > 0.99
        assert (drawn == truth)[both].mean() > 0.99


def test_trees_hide_roofs_and_leave_footprints_whole(world: World) -> None:
    houses = world.buildings(world.bounds)
    low = houses[houses["height"] < 8]
    left, _, _, top = world.bounds
    hidden, bare = [], []
    for house in low[:: len(low) // 4][:4]:
        bounds = around(world, house["x"] - left, top - house["y"])
        for overhang, shares in ((0.0, bare), (1.0, hidden)):
            view = view_of(world, bounds, overhang)
            ridge = np.zeros(2**16, np.float32)
            keys = owner_keys(view.buildings)
            ridge[np.arange(len(keys))] = view.buildings[:, HEIGHT]
            order = np.argsort(keys)
            roof = view.owner > 0
            own = order[np.searchsorted(keys[order], view.owner[roof])]
            shares.append((view.height[roof] > ridge[own] + 0.01).mean())
            assert np.array_equal(view.owner, view_of(world, bounds).owner)
    assert np.mean(hidden) > np.mean(bare) + 0.02
    assert max(hidden) < 0.7


def test_windows_agree_under_trees_and_around_courtyards(courts: World, block: np.ndarray) -> None:
    bounds = around(courts, block[BX], block[BY])
    x, y, _, _ = window_of(courts, bounds)
    whole = view_of(courts, bounds, 1.0)
    for row, column, rows, columns in [(0, 0, 130, SIDE), (130, 77, 200, 90)]:
        piece = render_aerial(
            courts, FLIGHT, x + STEP * column, y + STEP * row, rows, columns, STEP, overhang=1.0
        )
        here = (slice(row, row + rows), slice(column, column + columns))
        # Centers of pixels differ by rounding alone; 0.3 m has no exact binary form.
        assert (piece.rgb != whole.rgb[here]).mean() < 1e-3
        assert (piece.owner != whole.owner[here]).mean() < 1e-4


def test_a_courtyard_is_open_to_the_sky_and_the_land_cover_agrees(
    courts: World, block: np.ndarray
) -> None:
    shape = outlines(courts, block[None])[0]
    assert len(shape.interiors) == 1
    whole = 4 * block[BAX] * block[BAY]
    court = 4 * block[COURT_U] * block[COURT_V]
    assert court > 100
    assert shape.area == pytest.approx(whole - court)
    bounds = around(courts, block[BX], block[BY])
    view = view_of(courts, bounds)
    inside = rasterize(
        [shapely.Polygon(shape.interiors[0])],
        out_shape=(SIDE, SIDE),
        transform=Affine(STEP, 0, bounds[0], 0, -STEP, bounds[3]),
    ).astype(bool)
    assert not view.owner[inside].any()
    assert (view.height[inside] == 0).mean() > 0.3
    cover = courts.landcover_at(*window_of(courts, bounds)[:2], 120, 120, 1.0)
    roofs = [Material.TILE_ROOF, Material.GREY_ROOF, Material.CONCRETE]
    at = (
        int(block[BY] - window_of(courts, bounds)[1]),
        int(block[BX] - window_of(courts, bounds)[0]),
    )
    assert cover.cover[at] == Cover.URBAN
    wing = 0.5 * (block[BAX] + block[COURT_U])
    assert edge_distance(block, 0.0, 0.0) < 0 < edge_distance(block, wing, 0.0)
    things = cover.thing
    mine = owner_keys(block[None])[0]
    assert (things == mine).sum() == pytest.approx(shape.area, rel=0.05)
    assert np.isin(cover.material[things == mine], roofs).all()


def test_courtyards_change_no_class(world: World, courts: World, block: np.ndarray) -> None:
    window = (float(np.floor(block[BX])) - 200, float(np.floor(block[BY])) - 200, 400, 400, 1.0)
    one, other = world.landcover_at(*window), courts.landcover_at(*window)
    assert np.array_equal(one.cover, other.cover)
    assert not np.array_equal(one.material, other.material)


def test_roofs_around_courtyards_fall_to_both_edges(courts: World) -> None:
    table = courts.features(0.0, 0.0, 2600.0, 2600.0)[3]
    for row in table[table[:, COURT_U] > 0]:
        bounds = around(courts, row[BX], row[BY])
        view = view_of(courts, bounds)
        own = view.owner == owner_keys(row[None])[0]
        if not own.any() or np.ptp(view.height[own]) < 1.0:
            continue  # it does not stand that year, or its roof is flat
        x, y, _, _ = window_of(courts, bounds)
        r, c = np.nonzero(own)
        dx, dy = x + (c + 0.5) * STEP - row[BX], y + (r + 0.5) * STEP - row[BY]
        u, v = dx * row[2] + dy * row[3], dy * row[2] - dx * row[3]
        edge = np.array([edge_distance(row, a, b) for a, b in zip(u, v, strict=True)])
        roof = view.height[own] <= row[HEIGHT] + 0.01
        assert np.corrcoef(edge[roof], view.height[own][roof])[0, 1] > 0.95
        return
    pytest.fail("no standing building around a courtyard has a pitched roof")


def test_the_later_of_two_overlapping_roofs_owns_the_ground() -> None:
    low = shapely.box(0, 0, 10, 4)
    shapes = np.array([low, shapely.box(4, -2, 6, 6), shapely.box(20, 0, 21, 1)])
    parts, index = visible_parts(shapes)
    assert index.tolist() == [0, 0, 1, 2]
    assert [part.area for part in parts] == [16.0, 16.0, 16.0, 1.0]
    kept, index = visible_parts(np.array([low, shapely.box(-1, -1, 9.99, 5)]))
    assert index.tolist() == [1] and kept[0].area == pytest.approx(10.99 * 6)


def test_clipping_cuts_at_the_edge(courts: World, block: np.ndarray) -> None:
    bounds = around(courts, block[BX] + STEP * SIDE / 2, block[BY])  # the block lies on the edge
    whole = true_footprints(courts, FLIGHT, bounds)
    cut = clip_to(whole, bounds)
    assert set(cut["building"]) <= set(whole["building"])
    assert cut.geometry.area.sum() < whole.geometry.area.sum()
    assert cut.total_bounds[0] == pytest.approx(bounds[0])
    expected = shapely.intersection(whole.geometry.to_numpy(), shapely.box(*bounds))
    assert cut.geometry.area.sum() == pytest.approx(shapely.area(expected).sum(), abs=1.0)
    assert set(cut.geometry.geom_type) == {"Polygon"}
