"""Turned crops: the heading points up, the observer stays in the middle, nothing is invented."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.groundview.heading import INNER, turn_crop, turn_crops


def _spot(bearing: float, distance: float = 20.0, size: int = 65) -> np.ndarray:
    """Return a crop that is black but for a spot at a bearing from its middle."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    east, south = distance * np.sin(np.radians(bearing)), -distance * np.cos(np.radians(bearing))
    spot = 255 * np.exp(-((columns - east) ** 2 + (rows - south) ** 2) / 8)
    return np.repeat(spot[None], 3, 0).astype(np.uint8)


@pytest.mark.parametrize("heading", [0.0, 37.0, 90.0, 171.0, 250.0, 359.0, -45.0, 405.0])
def test_what_is_ahead_comes_up(heading: float) -> None:
    turned = turn_crop(_spot(heading), heading)[0].astype(float)
    rows, columns = np.mgrid[:65, :65] - 32.0
    row, column = ((turned * axis).sum() / turned.sum() for axis in (rows, columns))
    assert abs(column) < 0.3
    assert row == pytest.approx(-20 / INNER, abs=0.5)


def test_what_is_right_comes_right() -> None:
    turned = turn_crop(_spot(30 + 90), 30)[0].astype(float)
    assert (turned * (np.mgrid[:65, :65][1] - 32.0)).sum() / turned.sum() > 25


def test_unknown_heading_stays_north_up_at_the_same_scale() -> None:
    crops = np.random.default_rng([1, 2]).integers(0, 256, (3, 3, 40, 40), dtype=np.uint8)
    turned = turn_crops(crops, [np.nan, 0.0, 90.0])
    assert turned.shape == crops.shape and turned.dtype == np.uint8
    assert (turned[0] == turn_crop(crops[0], 0.0)).all()
    assert (turned[2] != turn_crop(crops[2], 0.0)).any()


def test_quarter_turns_are_those_of_the_unturned_crop() -> None:
    crop = np.random.default_rng([1, 3]).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    still = turn_crop(crop, 0).astype(int)
    for quarters in (1, 2, 3):
        turned = turn_crop(crop, 90.0 * quarters).astype(int)
        assert abs(turned - np.rot90(still, quarters, (1, 2))).max() <= 2


@pytest.mark.parametrize("side", [16, 64, 91, 200])
def test_corners_never_leave_the_crop(side: int) -> None:
    ring = np.full((3, 100, 100), 255, np.uint8)
    rows, columns = np.mgrid[:100, :100] - 49.5
    ring[:, np.hypot(rows, columns) < 50] = 100  # only what lies outside the circle is bright
    for heading in range(0, 360, 15):
        turned = turn_crop(ring, heading, side)
        assert turned.shape == (3, side, side)
        inset = 1 + side // 64  # bilinear resampling reaches one pixel of the crop further
        assert turned[:, inset:-inset, inset:-inset].max() == 100


def test_a_coarser_result_holds_means() -> None:
    crop = np.tile(np.array([[0, 255], [255, 0]], np.uint8), (3, 64, 64))
    assert abs(turn_crop(crop, 33.0, 8).astype(int) - 127).max() < 25


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        turn_crops(np.zeros((2, 3, 8, 8), np.uint8), [0.0])
    with pytest.raises(ValueError, match="do not fit"):
        turn_crops(np.zeros((1, 3, 8, 9), np.uint8), [0.0])
