"""Photos: where they say they are, to a tenth of a pixel; weather as asked, the same every time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nadir.config.cases import CaseConfig
from nadir.simulate.aerial import render_aerial
from nadir.simulate.case import photo_epoch, substrate_corner
from nadir.simulate.noise import seed_hash
from nadir.simulate.photos import displacement, ground_photo, take_photo
from nadir.simulate.placing import Placement, draw_placement
from nadir.simulate.weather import add_clouds, compress
from nadir.simulate.world import World

CFG = CaseConfig(
    seed=4, substrate_px=512, photo_px=128, misregistration_px=0.0, change=0.0, cloudy=1.0
)


@pytest.fixture(scope="module")
def substrate(world: World) -> np.ndarray:
    """The substrate's ground on the day of the photos."""
    x, y = substrate_corner(world, CFG)
    return render_aerial(world, photo_epoch(CFG), x, y, 512, 512).rgb


def crop(image: np.ndarray, x: float, y: float, angle: float, side: int) -> np.ndarray:
    """Return the crop around (x, y), from edges, of the image turned as the public case does."""
    matrix = cv2.getRotationMatrix2D((x - 0.5, y - 0.5), angle, 1.0)
    matrix[:, 2] += 0.5 * side - np.array([x, y])
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_CUBIC)


def shift_between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far two images are apart, in pixels."""
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (one, other)]
    window = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F)
    return np.array(cv2.phaseCorrelate(*grey, window)[0])


@pytest.mark.parametrize("angle", [0.0, 31.7, 90.0, 214.2])
def test_photos_lie_where_they_say(world: World, substrate: np.ndarray, angle: float) -> None:
    placement = Placement(261.37, 240.81, angle)
    photo = ground_photo(world, photo_epoch(CFG), CFG, substrate_corner(world, CFG), placement)
    expected = crop(substrate, placement.x, placement.y, angle, 128)
    assert np.abs(shift_between(photo, expected)).max() < 0.1
    assert np.abs(photo.astype(float) - expected).mean() < 3
    # Half a pixel off would be seen.
    moved = crop(substrate, placement.x + 0.5, placement.y, angle, 128)
    assert np.abs(shift_between(photo, moved)).max() > 0.3


def test_an_upright_photo_is_a_piece_of_the_substrate(world: World, substrate: np.ndarray) -> None:
    placement = Placement(64.0 + 100, 64.0 + 37, 0.0)
    photo = ground_photo(world, photo_epoch(CFG), CFG, substrate_corner(world, CFG), placement)
    assert np.array_equal(photo, substrate[37:165, 100:228])


def test_photos_beyond_the_substrate_show_ground(world: World) -> None:
    placement = Placement(64.0, 64.0, 45.0)
    photo = ground_photo(world, photo_epoch(CFG), CFG, substrate_corner(world, CFG), placement)
    assert placement.corners(128).min() < 0
    assert photo[:3].std() > 3 and (photo.max(axis=2) > 0).all()


def test_corners_follow_the_convention() -> None:
    corners = Placement(100.0, 50.0, 90.0).corners(20)
    # Turned clockwise by a quarter: the photo's right lies below on the substrate.
    assert np.allclose(corners, [[110, 40], [110, 60], [90, 40], [90, 60]])
    assert np.allclose(Placement(0, 0, 0, scale=1.5).corners(20)[3], [15, 15])


def test_a_leaning_axis_keeps_center_and_mean_scale() -> None:
    lean = Placement(100.0, 50.0, 20.0, 1.2, tilt=10.0, toward=35.0)
    x, y = lean.ground(np.array([64.0, 64.5, 64.0]), np.array([64.0, 64.0, 64.5]), 128)
    assert (x[0], y[0]) == (100.0, 50.0)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    assert area == pytest.approx(0.25 * 1.2**2, rel=0.01)
    flat = Placement(100.0, 50.0, 20.0, 1.2).corners(128)
    assert 2 < np.abs(lean.corners(128) - flat).max() < 20


def test_placements_are_uniform_and_inside() -> None:
    cfg = CFG.model_copy(update={"scale": 0.2})
    placed = [draw_placement(cfg, index) for index in range(400)]
    assert placed[7] == draw_placement(cfg, 7) != draw_placement(cfg, 8)
    for value, low, high in [
        ([p.x for p in placed], 64, 448),
        ([p.y for p in placed], 64, 448),
        ([p.angle for p in placed], 0, 360),
        ([p.scale for p in placed], 0.8, 1.2),
    ]:
        assert low <= min(value) and max(value) <= high
        counts, _ = np.histogram(value, 4, (low, high))
        assert counts.min() > 70


def test_displacement_is_smooth_and_as_large_as_asked() -> None:
    x, y = np.meshgrid(np.arange(0, 60_000, 97.0), np.arange(0, 60_000, 101.0))
    moved = displacement(x, y, 1.5, seed_hash(3))
    assert np.sqrt((moved**2).sum(axis=0).mean()) == pytest.approx(1.5, rel=0.1)
    near = displacement(x + 1.0, y, 1.5, seed_hash(3))
    assert np.abs(near - moved).max() < 0.05
    assert abs(moved.mean()) < 0.15


def test_photos_depend_on_their_index_alone(world: World) -> None:
    at = (world, photo_epoch(CFG), CFG, substrate_corner(world, CFG), Placement(200, 200, 10))
    one, again, other = take_photo(*at, 5), take_photo(*at, 5), take_photo(*at, 6)
    assert np.array_equal(one.rgb, again.rgb) and one.cloud == again.cloud
    assert not np.array_equal(one.rgb, other.rgb)


@pytest.mark.parametrize("cover", [0.1, 0.4, 0.8])
def test_clouds_cover_what_they_should(cover: float) -> None:
    image = np.full((256, 256, 3), 0.3, np.float32)
    share = add_clouds(image, cover, (0.6, 0.8), np.random.default_rng(2), 0.5)
    assert share == pytest.approx(cover, abs=0.08)
    assert (image.mean(axis=2) > 0.55).mean() == pytest.approx(cover, abs=0.12)
    assert (image.mean(axis=2) < 0.25).mean() > 0.03  # shadows beside them


def test_compression_keeps_colors() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0], image[..., 2] = 200, 40
    assert np.abs(compress(image, 85).astype(int) - image).max() < 12
