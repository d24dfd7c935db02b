"""Perspective views: what lies where in the picture follows from the camera's equations."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.simulate.aerial import render_aerial
from nadir.simulate.airlight import Sky, sky_color
from nadir.simulate.buildings import BAX, BAY, BCOS, BSIN, BX, BY, HEIGHT
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import Epoch
from nadir.simulate.perspective import Camera, render_view
from nadir.simulate.raycast import BLOCK, CROWN, GROUND, ROOF_TOP, SKY, WALL
from nadir.simulate.relief import Relief, distant_relief, relief_around
from nadir.simulate.surface import building_hashes
from nadir.simulate.world import World

EPOCH = Epoch()
CLEAR = Sky(visibility=1e9, clouds=0.0)


def flat_relief(building: np.ndarray | None = None, tree: bool = False, side: int = 400) -> Relief:
    """A level plain of cells of 0.5 m, 10 m above the sea, with a house and a tree."""
    shape = (side, side)
    ground, crown = np.full(shape, 10.0, np.float32), np.zeros(shape, np.float32)
    owner = np.full(shape, -1, np.int32)
    houses = np.zeros((0, 10)) if building is None else building[None]
    y, x = (np.indices(shape) + 0.5) * 0.5
    if building is not None:
        u = (x - building[BX]) * building[BCOS] + (y - building[BY]) * building[BSIN]
        v = (y - building[BY]) * building[BCOS] - (x - building[BX]) * building[BSIN]
        owner[(abs(u) < building[BAX] + 0.5) & (abs(v) < building[BAY] + 0.5)] = 0
    if tree:
        crown = (8.0 * np.sqrt(np.maximum(1 - ((x - 130) ** 2 + (y - 100) ** 2) / 9, 0))).astype(
            "f4"
        )
    top = (ground + crown + 0.3 + 20.0 * (owner >= 0)).astype(np.float32)
    blocks = side // BLOCK
    peak = top.reshape(blocks, BLOCK, blocks, BLOCK).max(axis=(1, 3))
    color = np.full((*shape, 3), 100, np.uint8)
    cover = np.full(shape, Cover.URBAN, np.uint8)
    return Relief(
        0.0, 0.0, 0.5, color, color, ground, crown, np.zeros(shape, np.float32),
        np.zeros(shape, bool), cover, owner, owner >= 0, top, peak, houses,
        building_hashes(houses), np.full(len(houses), 10.0),
    )  # fmt: skip


def house(height: float = 9.0) -> np.ndarray:
    """A turned house in the middle of the plain; roofs rise by 0.45 of its height at most."""
    row = np.zeros(10)
    row[[BX, BY, BAX, BAY, HEIGHT]] = 100.0, 100.0, 7.0, 5.0, height
    row[[BCOS, BSIN]] = np.cos(0.4), np.sin(0.4)
    return row


def test_rays_and_projection_are_inverse() -> None:
    camera = Camera(3.0, -7.0, 40.0, 211.0, -23.0, 64, 48, 70.0, roll=9.0)
    points = np.array([3.0, -7.0, 40.0]) + 25.0 * camera.rays()
    at = camera.project(points)
    rows, columns = np.indices((48, 64)) + 0.5
    assert np.allclose(at[..., 0], columns) and np.allclose(at[..., 1], rows)
    assert np.allclose(at[..., 2], 25.0)
    assert np.isnan(camera.project(np.array([3.0, -7.0, 40.0]) - camera.axes[2])[:2]).all()


@pytest.mark.parametrize(("heading", "ahead"), [(0, (0, -1)), (90, (1, 0)), (225, (-1, 1))])
def test_heading_is_clockwise_from_north(heading: float, ahead: tuple[float, float]) -> None:
    forward = Camera(0, 0, 0, heading, 0, 9, 9).rays()[4, 4]
    assert forward == pytest.approx((*np.array(ahead) / np.hypot(*ahead), 0), abs=1e-12)


def test_depth_of_level_ground_and_horizon_are_exact() -> None:
    camera = Camera(100.0, 100.0, 12.0, 30.0, -5.0, 80, 60, 60.0)
    view = render_view([flat_relief()], camera, EPOCH, CLEAR, finer=1)
    fall = -camera.rays()[..., 2]
    hit = view.kind == GROUND
    assert np.allclose(view.depth[hit], 2.0 / fall[hit], rtol=1e-4)
    assert not (hit & (fall <= 0)).any()  # nothing above the horizon
    edge = 95.0  # the plain ends no nearer than this
    assert hit[fall > 2.0 / edge].all()
    assert np.isinf(view.depth[~hit]).all() and (view.cover[~hit] == 0).all()
    horizon = camera.height / 2 - camera.focal * np.tan(np.radians(5.0))
    assert (~hit).any(axis=1).nonzero()[0].max() == pytest.approx(horizon, abs=3)


def test_a_house_stands_where_the_equations_say() -> None:
    row = house()
    camera = Camera(75.0, 128.0, 16.0, 41.0, -4.0, 160, 120, 60.0)
    view = render_view([flat_relief(row)], camera, EPOCH, CLEAR, finer=1)
    seen = np.isin(view.kind, (WALL, ROOF_TOP))
    corners = np.array(
        [
            (row[BX] + u * row[BCOS] - v * row[BSIN], row[BY] + u * row[BSIN] + v * row[BCOS], z)
            for u in (-7.0, 7.0)
            for v in (-5.0, 5.0)
            for z in (10.0, 19.0)
        ]
    )
    at = camera.project(corners)
    rows, columns = np.nonzero(seen)
    assert columns.min() == pytest.approx(at[:, 0].min(), abs=1.0)
    assert columns.max() + 1 == pytest.approx(at[:, 0].max(), abs=1.0)
    assert rows.max() + 1 == pytest.approx(at[::2, 1].max(), abs=1.0)
    # Every point of a wall lies on the outline.
    points = (camera.x, camera.y, camera.z) + camera.rays() * view.depth[..., None]
    dx, dy = points[view.kind == WALL][:, 0] - row[BX], points[view.kind == WALL][:, 1] - row[BY]
    u, v = dx * row[BCOS] + dy * row[BSIN], dy * row[BCOS] - dx * row[BSIN]
    assert (view.kind == WALL).sum() > 1000
    assert np.abs(np.maximum(abs(u) - 7.0, abs(v) - 5.0)).max() < 1e-3


def test_a_crown_hides_what_is_behind() -> None:
    camera = Camera(100.0, 100.0, 14.0, 90.0, 0.0, 81, 81, 60.0)
    view = render_view([flat_relief(tree=True)], camera, EPOCH, CLEAR, finer=1)
    assert view.kind[40, 40] == CROWN and 26.9 < view.depth[40, 40] < 28.5
    wide = camera.project(np.array([[130.0, 97.4, 14.0], [130.0, 102.6, 14.0]]))[:, 0]
    columns = np.nonzero(view.kind[40] == CROWN)[0]
    assert columns.min() == pytest.approx(wide[0], abs=2.5)
    assert columns.max() == pytest.approx(wide[1], abs=2.5)
    assert view.kind[0, 40] == SKY


@pytest.fixture(scope="module")
def town(world: World) -> Relief:
    built = world.buildings(world.bounds)
    left, top = world.cfg.origin
    middle = np.argmin(np.hypot(built["x"] - left - 1300, top - built["y"] - 1300))
    return relief_around(
        world, EPOCH, built["x"][middle] - left, top - built["y"][middle], 60.0, 0.5
    )


def test_straight_down_is_the_aerial_picture(world: World, town: Relief) -> None:
    x, y = town.x + 60.0, town.y + 60.0
    far = 4000.0  # from so high, perspective displaces roofs by a few centimetres only
    view = float(2 * np.degrees(np.arctan(40.0 / far)))
    camera = Camera(x, y, town.elevation(x, y) + far, 0.0, -90.0, 80, 80, view)
    seen = render_view([town], camera, EPOCH, CLEAR)
    above = render_aerial(world, EPOCH, x - 40.0, y - 40.0, 80, 80, 1.0).rgb.astype(float)
    ground = seen.kind != CROWN  # leaves are drawn anew
    same = np.corrcoef(seen.rgb[ground].ravel(), above[ground].ravel())[0, 1]
    shifted = np.corrcoef(
        seen.rgb[:, 3:][ground[:, 3:]].ravel(), above[:, :-3][ground[:, 3:]].ravel()
    )
    assert same > 0.9 > shifted[0, 1] + 0.05
    roofs = town.roofed[40:200:2, 40:200:2]
    assert ((seen.kind == ROOF_TOP) == roofs).mean() > 0.97


def test_reliefs_agree_and_views_are_pure(world: World, town: Relief) -> None:
    again = relief_around(world, EPOCH, town.x + 60.0, town.y + 60.0, 60.0, 0.5)
    for name in ("color", "ground", "crown", "owner", "top", "peak"):
        assert np.array_equal(getattr(town, name), getattr(again, name)), name
    x, y = town.x + 60.0, town.y + 60.0
    far = [distant_relief(world, EPOCH, x + move, y, 1000.0, 20.0) for move in (0.0, 100.0)]
    assert np.array_equal(far[0].color[:, 6:-1], far[1].color[:, 1:-6])
    assert (town.top >= town.ground + town.crown).all()
    camera = Camera(x - 30, y + 30, town.elevation(x, y) + 40, 45.0, -30.0, 48, 48)
    one, two = (render_view([town, far[0]], camera, EPOCH, Sky(seed=3)) for _ in range(2))
    assert np.array_equal(one.rgb, two.rgb) and np.array_equal(one.depth, two.depth)


def test_clouds_cover_their_share() -> None:
    rays = Camera(0, 0, 0, 0, 90, 150, 150, 100.0).rays()
    sun = Epoch(elevation=20.0).sun
    clear = sky_color(rays, sun, Sky(clouds=0.0)).astype(int)
    covered = [
        (np.abs(sky_color(rays, sun, Sky(clouds=share, seed=k)) - clear).max(-1) > 40).mean()
        for share in (0.2, 0.8)
        for k in range(3)
    ]
    assert np.mean(covered[:3]) < 0.45 < 0.6 < np.mean(covered[3:])
