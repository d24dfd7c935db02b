"""The world from the air: one world whatever the window, one change whatever the order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nadir.simulate.aerial import render_aerial
from nadir.simulate.buildings import BAX, BAY, BCOS, BSIN, BX, BY, HEIGHT
from nadir.simulate.crowns import RADIUS, SPECIES, TALL, TX, TY, collect_crowns
from nadir.simulate.epochs import PAST, PRESENT, Epoch
from nadir.simulate.shadows import shadow_heights, shadow_reach
from nadir.simulate.sites import settlement
from nadir.simulate.surface import TALLEST, building_hash
from nadir.simulate.world import World

SPRING = Epoch("april", PAST, 1.0, azimuth=140.0, elevation=46.0)
SUMMER = Epoch("august", PRESENT, 1.0, azimuth=206.0, elevation=57.0)


@pytest.fixture(scope="module")
def town(world: World) -> tuple[float, float]:
    """Upper-left corner of a window of 150 m at the border of a town."""
    x, y, radius, _, _ = settlement(0, 0, world.seed)
    return float(np.floor(x + 0.4 * radius)), float(np.floor(y - 75))


@pytest.mark.parametrize(
    "epoch", [SPRING, SUMMER, dataclasses.replace(SUMMER, azimuth=95.0, elevation=35.0)]
)
def test_windows_agree_whatever_their_size(
    world: World, town: tuple[float, float], epoch: Epoch
) -> None:
    x, y = town
    whole = render_aerial(world, epoch, x, y, 200, 240)
    for row, column, rows, columns in [(0, 0, 90, 240), (90, 31, 110, 64), (17, 101, 1, 1)]:
        piece = render_aerial(world, epoch, x + 0.5 * column, y + 0.5 * row, rows, columns)
        here = (slice(row, row + rows), slice(column, column + columns))
        assert np.array_equal(piece.rgb, whole.rgb[here])
        assert np.array_equal(piece.height, whole.height[here])
        assert np.array_equal(piece.owner, whole.owner[here])


def test_without_change_all_years_are_one(world: World, town: tuple[float, float]) -> None:
    calm = dataclasses.replace(SPRING, change=0.0)
    one = render_aerial(world, calm, *town, 200, 200)
    other = render_aerial(world, dataclasses.replace(calm, year=PRESENT), *town, 200, 200)
    assert np.array_equal(one.rgb, other.rgb)
    changed = render_aerial(world, dataclasses.replace(SPRING, year=PRESENT), *town, 200, 200)
    assert (changed.rgb != one.rgb).mean() > 0.5


def test_years_differ_as_much_as_asked(world: World) -> None:
    box = (0.0, 0.0, 1400.0, 1400.0)
    kept = {}
    for change in (0.0, 1.0):
        then, now = (
            {(round(x, 3), round(y, 3)) for x, y in crowns[:, :2]}
            for crowns in (
                collect_crowns(world, dataclasses.replace(epoch, change=change), *box)[0]
                for epoch in (SPRING, SUMMER)
            )
        )
        kept[change] = len(then & now) / len(then | now)
    assert kept[0.0] == 1.0
    assert 0.5 < kept[1.0] < 0.85


def test_owner_and_height_follow_the_footprints(world: World, town: tuple[float, float]) -> None:
    x, y = town
    view = render_aerial(world, SUMMER, x, y, 300, 300)
    east, south = np.meshgrid(x + 0.5 * (np.arange(300) + 0.5), y + 0.5 * (np.arange(300) + 0.5))
    inside = np.zeros((300, 300), bool)
    for b in view.buildings:
        dx, dy = east - b[BX], south - b[BY]
        u, v = dx * b[BCOS] + dy * b[BSIN], dy * b[BCOS] - dx * b[BSIN]
        own = (abs(u) < b[BAX] - 0.01) & (abs(v) < b[BAY] - 0.01)
        inside |= own
        key = np.uint32(building_hash(b) & np.uint64(0xFFFFFFFF))
        if own.any():
            assert (view.owner[own] == key).mean() > 0.95
            roof = view.height[own]  # a crown may hang over the eaves
            assert np.median(roof) <= b[HEIGHT] + 1e-4
            assert np.median(roof) > 0.5 * b[HEIGHT]
    assert inside.mean() > 0.03
    assert ((view.owner > 0) != inside).mean() < 0.01
    assert view.height.min() >= 0 and view.height.max() <= TALLEST


def test_crowns_stand_alone_and_fit_their_bounds(world: World) -> None:
    crowns, hashes = collect_crowns(world, SUMMER, 300.0, 300.0, 700.0, 700.0)
    assert len(crowns) == len(hashes) > 1000
    assert crowns[:, TALL].max() < TALLEST
    assert crowns[:, RADIUS].min() > 0.3 and crowns[:, RADIUS].max() < 4.5
    assert len(np.unique(crowns[:, SPECIES])) >= 3
    small, _ = collect_crowns(world, SUMMER, 400.0, 420.0, 500.0, 510.0)
    within = (crowns[:, TX] > 400) & (crowns[:, TX] < 500)
    within &= (crowns[:, TY] > 420) & (crowns[:, TY] < 510)
    again = (small[:, TX] > 400) & (small[:, TX] < 500) & (small[:, TY] > 420)
    assert np.array_equal(crowns[within], small[again & (small[:, TY] < 510)])


def test_shadows_are_as_long_as_the_sun_is_low() -> None:
    sun = Epoch("april", PAST, 1.0, azimuth=180.0, elevation=40.0).sun  # shadows fall to the north
    height = np.zeros((120, 41), np.float32)
    height[80:90, 15:26] = 10.0
    level = np.zeros_like(height)
    shadow = shadow_heights(height, level, sun, 0.5, True, False)
    lit = shadow[:, 20] <= 0.0
    first = int(np.flatnonzero(~lit)[0])
    assert abs((80 - first) * 0.5 - 10.0 / np.tan(np.radians(40.0))) <= 0.5
    assert not shadow[90:].any() and not shadow[:, :14].any()
    # Where the ground rises along the light, the same shadow is shorter.
    uphill = shadow_heights(height, level + np.float32(0.3), sun, 0.5, True, False)
    reach = 10.0 / (np.tan(np.radians(40.0)) + 0.3)
    assert abs((80 - int(np.flatnonzero(uphill[:, 20])[0])) * 0.5 - reach) <= 0.5
    assert shadow_reach(sun) > 10.0 / np.tan(np.radians(40.0))


def test_shadows_fall_away_from_the_sun(world: World, town: tuple[float, float]) -> None:
    # Morning shadows lie west of houses, afternoon shadows east of them.
    def darkness(azimuth: float) -> np.ndarray:
        sun = Epoch("august", PRESENT, 0.0, azimuth=azimuth, elevation=40.0)
        view = render_aerial(world, sun, *town, 300, 300)
        return np.where(view.height > 0, 0.0, 255.0 - view.rgb.astype(float).mean(axis=2)), view

    morning, view = darkness(100.0)
    evening, _ = darkness(260.0)
    roofs = view.owner > 0
    west = np.roll(roofs, -6, axis=1) & (view.height == 0)
    east = np.roll(roofs, 6, axis=1) & (view.height == 0)
    assert morning[west].mean() > evening[west].mean() + 20
    assert evening[east].mean() > morning[east].mean() + 20
