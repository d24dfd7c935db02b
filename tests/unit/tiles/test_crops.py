"""Random crops: on the training ground with every pixel, and a function of (seed, epoch)."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.tiles.crops import Ground, crop_plan

# Two scenes; in the first, tiles that overlap, touch, and leave a hole and a corner.
TILES = np.array(
    [
        (0, 0, 0, 40),
        (0, 0, 30, 40),
        (0, 40, 0, 40),
        (0, 80, 0, 40),
        (0, 80, 40, 40),
        (3, 100, 200, 64),
    ]
)


def covered() -> dict[int, np.ndarray]:
    masks = {0: np.zeros((160, 160), bool), 3: np.zeros((300, 300), bool)}
    for scene, y, x, side in TILES:
        masks[scene][y : y + side, x : x + side] = True
    return masks


def test_the_ground_is_the_union_of_the_tiles():
    ground, masks = Ground(TILES), covered()
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(3000):
        scene = int(rng.choice([0, 3]))
        y, x = rng.integers(-5, 130 if scene == 0 else 260, 2)
        side = int(rng.integers(1, 60))
        inside = min(y, x) >= 0 and masks[scene][y : y + side, x : x + side].all()
        inside = inside and y + side <= len(masks[scene]) and x + side <= len(masks[scene])
        assert ground.holds(scene, y, x, side) == bool(inside)
        found.add(bool(inside))
    assert found == {True, False}


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_crops_never_leave_the_ground(scale):
    masks = covered()
    plan = crop_plan(Ground(TILES), 7, 2, count=400, side=36, scale=scale, turned=True)
    sizes = plan.crop[:, 2]
    for tile, (y, x, side) in zip(plan.tile, plan.crop, strict=True):
        part = masks[TILES[tile, 0]][y : y + side, x : x + side]
        assert part.shape == (side, side) and part.all()
    assert len(plan) == 400 and set(plan.symmetry) == set(range(8))
    if scale == 1:
        assert (sizes == 36).all()
    else:
        assert 18 <= sizes.min() < 24 and 48 < sizes.max() <= 72
    across = [
        (y < TILES[tile, 1]) or (x + side > TILES[tile, 2] + TILES[tile, 3])
        for tile, (y, x, side) in zip(plan.tile, plan.crop, strict=True)
    ]
    assert any(across), "crops lie across tiles as well"


def test_a_crop_larger_than_any_ground_is_its_tile():
    plan = crop_plan(Ground(TILES[-1:]), 0, 0, count=5, side=100)
    assert (plan.crop == [100, 200, 64]).all()


def test_a_plan_is_a_function_of_seed_and_epoch():
    ground = Ground(TILES)
    one, same, other = (crop_plan(ground, 1, e, count=50, side=20, scale=1.5) for e in (0, 0, 1))
    assert np.array_equal(one.crop, same.crop) and np.array_equal(one.tile, same.tile)
    assert not np.array_equal(one.crop, other.crop)
    assert not one.symmetry.any()
    longer = crop_plan(ground, 1, 0, count=80, side=20, scale=1.5)
    assert np.array_equal(longer.crop[:50], one.crop), "a sample does not depend on how many follow"


def test_chances_weigh_tiles():
    likely = np.ones(len(TILES))
    likely[5] = 15
    plan = crop_plan(Ground(TILES), 0, 0, count=1000, side=16, chances=likely)
    assert 0.7 < (plan.tile == 5).mean() < 0.8
