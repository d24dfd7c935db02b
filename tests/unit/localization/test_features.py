import cv2
import numpy as np
import pytest

from nadir.localization.features import (
    Features,
    array_reader,
    arrays_to_features,
    extract,
    extract_tiled,
    features_to_arrays,
)


def ground(side, seed):
    """Return (side, side) uint8: blurred noise, sharp enough for features."""
    noise = np.random.default_rng(seed).standard_normal((side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3.0)
    return np.clip(np.round(120 + 40 * smooth / smooth.std()), 0, 255).astype(np.uint8)


def blobs(side, centers, spread):
    """Return (side, side) uint8 with Gaussian blobs at edge-based centers."""
    at = np.arange(side) + 0.5
    total = np.full((side, side), 60.0)
    for x, y in centers:
        across, down = (
            np.exp(-((at - x) ** 2) / 2 / spread**2),
            np.exp(-((at - y) ** 2) / 2 / spread**2),
        )
        total += 150 * down[:, None] * across[None, :]
    return np.clip(np.round(total), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_points_are_full_resolution_positions_from_edges(factor):
    rng = np.random.default_rng(3)
    centers = np.array([(60 + 80 * i, 60 + 80 * j) for i in range(5) for j in range(5)], float)
    centers += rng.uniform(0, 6, centers.shape)
    found = extract(blobs(450, centers, 6.0), factor, clahe=False)
    nearest = np.linalg.norm(found.points[:, None] - centers[None], axis=2)
    right = nearest.min(1) < 3
    error = (found.points - centers[nearest.argmin(1)])[right]
    assert right.sum() >= 25
    assert np.abs(np.median(error, 0)).max() < 0.05
    assert 2 * 6 * 0.6 < np.median(found.sizes[right]) < 2 * 6 * 2.5


def test_angles_grow_clockwise_on_the_screen():
    picture = ground(256, 1)
    turned = np.ascontiguousarray(np.rot90(picture, -1))  # clockwise by 90 degrees
    before, after = extract(picture, 2, False), extract(turned, 2, False)
    # A point (x, y) comes to (height - y, x).
    moved = np.stack([256 - before.points[:, 1], before.points[:, 0]], 1)
    apart = np.linalg.norm(moved[:, None] - after.points[None], axis=2)
    pairs = np.flatnonzero(apart.min(1) < 0.3)
    gain = (after.angles[apart[pairs].argmin(1)] - before.angles[pairs]) % 360
    assert len(pairs) > 50
    assert abs(np.median(gain) - 90) < 1


def test_descriptors_are_unit_vectors_of_square_roots():
    found = extract(ground(256, 2))
    assert found.descriptors.dtype == np.uint8
    lengths = np.linalg.norm(found.descriptors.astype(float), axis=1)
    assert np.abs(lengths / 512 - 1).max() < 0.02


def test_contrast_does_not_change_descriptors_much():
    picture = ground(256, 4)
    faint = np.round(0.5 * picture + 60).astype(np.uint8)
    one, other = extract(picture, 1, False, 50), extract(faint, 1, False, 5000)
    apart = np.linalg.norm(one.points[:, None] - other.points[None], axis=2)
    apart += 10 * (np.abs(one.angles[:, None] - other.angles[None]) > 3)
    near = apart.min(1) < 0.5
    difference = one.descriptors.astype(float) - other.descriptors[apart.argmin(1)]
    assert near.mean() > 0.8
    assert np.median(np.linalg.norm(difference[near], axis=1)) < 60  # of 512


def test_no_data_has_no_features_and_gives_none():
    picture, valid = ground(320, 5), np.ones((320, 320), bool)
    valid[100:200, 80:240] = False
    picture[~valid] = 0
    found = extract(picture, 2, True, 4000, valid)
    x, y = found.points.T
    assert len(found) > 50
    assert not ((x > 78) & (x < 242) & (y > 98) & (y < 202)).any()
    assert len(extract(picture, 2, True, 4000, np.zeros_like(valid))) == 0
    whole = extract(ground(320, 5), 2, True, 4000)
    assert len(whole) > len(found)


def test_flat_and_tiny_pictures_have_none():
    assert len(extract(np.full((64, 64), 90, np.uint8))) == 0
    assert len(extract(np.zeros((2, 2), np.uint8))) == 0


def test_limit_keeps_the_strongest_in_the_same_order():
    picture = ground(256, 6)
    few, many = extract(picture, limit=20), extract(picture, limit=500)
    assert len(few) == 20
    assert np.array_equal(few.points, many.points[:20])


def test_extraction_is_deterministic():
    picture = ground(256, 7)
    one, other = extract(picture), extract(picture.copy())
    for name, values in features_to_arrays(one).items():
        assert np.array_equal(values, features_to_arrays(other)[name])


def test_tiles_find_what_the_whole_picture_has():
    picture = ground(500, 8)
    whole = extract(picture, 2, False, 10**6)
    tiled = extract_tiled(array_reader(picture, 2), (250, 250), 2, False, 10**6, tile=100)
    one, other = (np.round(part.points, 2) for part in (whole, tiled))
    shared = set(map(tuple, one.tolist())) & set(map(tuple, other.tolist()))
    # Large features reach beyond the margins; nearly all are the same to a hundredth of a pixel.
    assert len(shared) > 0.9 * len(set(map(tuple, one.tolist())))
    assert len(tiled) < 1.05 * len(whole)


def test_tiles_spread_features_evenly():
    picture = ground(400, 9)
    picture[:, 200:] = 120 + (picture[:, 200:].astype(int) - 120) // 4  # faint half
    read = array_reader(picture, 2)
    tiled = extract_tiled(read, (200, 200), 2, False, 40, tile=50)
    right = (tiled.points[:, 0] > 200).mean()
    strongest = (extract(picture, 2, False, len(tiled)).points[:, 0] > 200).mean()
    assert strongest < 0.1 < 0.3 < right
    counts, _, _ = np.histogram2d(*tiled.points.T, bins=4, range=[[0, 400], [0, 400]])
    assert counts.max() <= 40


def test_tiles_read_windows_of_bounded_size_inside_the_picture():
    asked = []

    def read(y, x, height, width):
        asked.append((height, width))
        assert y >= 0 and x >= 0 and y + height <= 300 and x + width <= 220
        return np.full((height, width, 3), 100, np.uint8), np.ones((height, width), bool)

    assert len(extract_tiled(read, (300, 220), tile=128, overlap=32)) == 0
    assert max(max(size) for size in asked) <= 128 + 2 * 32
    assert len(asked) == 6


def test_arrays_keep_everything():
    found = extract(ground(200, 10))
    back = arrays_to_features(features_to_arrays(found))
    assert len(back) == len(found) > 0
    for name, values in features_to_arrays(back).items():
        assert values.dtype == features_to_arrays(Features.empty())[name].dtype
        assert np.array_equal(values, features_to_arrays(found)[name])
    assert len(Features.join([])) == 0
    assert len(Features.join([found, found])) == 2 * len(found)
