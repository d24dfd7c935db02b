"""Distances between sets of pictures against brute force and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

from nadir.config.groundview_evaluate import SlicedConfig
from nadir.groundview.distributions import (
    frechet_distance,
    mean_pairwise,
    nearest_distances,
    overlap,
)
from nadir.groundview.sliced import (
    COARSEST,
    SCALE,
    describe_patches,
    laplacian_pyramid,
    sliced_distance,
)


def features(seed, count, dimensions=6, shift=0.0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(dimensions, dimensions))
    return random.normal(size=(count, dimensions)) @ mixing + shift


def test_frechet_is_that_of_the_matrix_root():
    one, other = features(1, 200), features(2, 150, shift=0.7)
    covariances = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1]).real
    shift = one.mean(0) - other.mean(0)
    wanted = shift @ shift + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(wanted, rel=1e-9)


def test_frechet_with_fewer_pictures_than_dimensions_has_its_closed_form():
    # Both sets lie on one line: variances a and b give (sqrt(a) - sqrt(b))^2.
    line = np.zeros((4, 30))
    line[:, 3] = [-3.0, -1.0, 1.0, 3.0]
    assert frechet_distance(line, 2 * line) == pytest.approx(line[:, 3].var(ddof=1))
    assert frechet_distance(line, line) == pytest.approx(0, abs=1e-9)
    moved = line + np.eye(30)[5] * 2
    assert frechet_distance(line, moved) == pytest.approx(4)
    with pytest.raises(ValueError, match="two pictures"):
        frechet_distance(line[:1], line)


def brute_overlap(real, fake, k):
    def radius(points, i):
        gaps = sorted(np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i)
        return gaps[k - 1]

    inside = [[np.linalg.norm(r - f) <= radius(real, i) for f in fake] for i, r in enumerate(real)]
    back = [[np.linalg.norm(r - f) <= radius(fake, j) for j, f in enumerate(fake)] for r in real]
    return (
        np.mean([any(row[j] for row in inside) for j in range(len(fake))]),
        np.mean([any(row) for row in back]),
        np.sum(inside) / (k * len(fake)),
        np.mean([any(row) for row in inside]),
    )


@pytest.mark.parametrize("k", [1, 3, 5])
def test_overlap_is_that_of_loops(k):
    real, fake = features(3, 30, 2), features(4, 25, 2, shift=0.8)
    found = overlap(real, fake, k)
    wanted = brute_overlap(real, fake, k)
    got = (found.precision, found.recall, found.density, found.coverage)
    assert got == pytest.approx(wanted)
    assert 0 < found.precision < 1 or 0 < found.recall < 1


def test_overlap_tells_collapse_from_strangeness():
    real = features(5, 60, 2)
    collapsed = np.repeat(real[:1], 60, 0) + 1e-6 * features(6, 60, 2)
    assert overlap(real, collapsed, 5).precision == 1
    assert overlap(real, collapsed, 5).recall < 0.2 and overlap(real, collapsed, 5).coverage < 0.5
    strange = overlap(real, real + 100, 5)
    assert (strange.precision, strange.recall, strange.density, strange.coverage) == (0, 0, 0, 0)
    same = overlap(real, real, 5)
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)


def test_nearest_and_pairwise_distances_by_hand():
    known = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert nearest_distances(np.array([[3.0, 4.0], [10.0, 1.0]]), known).tolist() == [5.0, 1.0]
    triangle = np.array([[[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]]])
    assert mean_pairwise(triangle).tolist() == [4.0]
    assert np.isnan(mean_pairwise(triangle[:, :1])).all()


def pictures(seed, count=6, side=64):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def test_pyramid_halves_down_to_the_coarsest_and_adds_up():
    import cv2

    picture = pictures(1)[0]
    levels = laplacian_pyramid(picture)
    assert [level.shape[0] for level in levels] == [64, 32, COARSEST]
    whole = levels[-1]
    for level in levels[-2::-1]:
        whole = cv2.pyrUp(whole, dstsize=level.shape[1::-1]) + level
    assert np.allclose(whole, picture.transpose(1, 2, 0), atol=1e-3)


def test_sliced_distance_is_the_mean_wasserstein_distance_of_projections():
    cfg = SlicedConfig(patches=8, directions=5)
    one, other = (describe_patches(pictures(seed), cfg, 7) for seed in (1, 2))
    found = sliced_distance(one, other, cfg, 3)
    assert sorted(found) == [16, 32, 64]
    flat = [d[32].reshape(-1, 3, 49).astype(float) for d in (one, other)]
    scaled = [
        ((f - f.mean((0, 2), keepdims=True)) / f.std((0, 2), keepdims=True)).reshape(len(f), -1)
        for f in flat
    ]
    random = np.random.default_rng([3, 0x5D17, 32])
    axes = random.standard_normal((147, 5))
    axes /= np.linalg.norm(axes, axis=0)
    wanted = np.mean([wasserstein_distance(scaled[0] @ a, scaled[1] @ a) for a in axes.T])
    assert found[32] == pytest.approx(SCALE * wanted, rel=1e-4)


def test_patches_are_cut_where_they_are_said_to_be():
    picture = pictures(4, 1, 16)
    (level,) = laplacian_pyramid(picture[0])
    found = describe_patches(picture, SlicedConfig(patches=30), 5)[16][0].reshape(30, 3, 7, 7)
    for patch in found:
        places = [
            (y, x)
            for y in range(10)
            for x in range(10)
            if np.array_equal(level[y : y + 7, x : x + 7].transpose(2, 0, 1), patch)
        ]
        assert len(places) == 1


def test_sliced_distance_sees_blur_and_nothing_between_equals():
    import cv2

    cfg = SlicedConfig(patches=256, directions=64)
    sharp = pictures(8, 8)
    soft = np.stack([cv2.GaussianBlur(p.transpose(1, 2, 0), (0, 0), 2) for p in sharp])
    one, same, blurred = (
        describe_patches(p, cfg, 0) for p in (sharp, sharp, soft.transpose(0, 3, 1, 2))
    )
    assert sliced_distance(one, same, cfg, 0) == {64: 0, 32: 0, 16: 0}
    again = sliced_distance(one, describe_patches(pictures(9, 8), cfg, 0), cfg, 0)
    assert sliced_distance(one, blurred, cfg, 0)[64] > 2 * again[64] > 0
