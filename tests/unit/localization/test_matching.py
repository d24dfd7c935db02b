import numpy as np
import pytest

from nadir.localization.features import Features
from nadir.localization.matching import FeatureIndex


def made(count, seed):
    """Return features with random descriptors."""
    rng = np.random.default_rng(seed)
    raw = np.sqrt(rng.gamma(0.5, 1.0, (count, 128)))
    raw *= 512 / np.linalg.norm(raw, axis=1, keepdims=True)
    return Features(
        rng.uniform(0, 500, (count, 2)).astype(np.float32),
        rng.uniform(0, 360, count).astype(np.float32),
        rng.uniform(2, 20, count).astype(np.float32),
        np.minimum(raw, 255).astype(np.uint8),
    )


def disturbed(features, index, seed):
    rng = np.random.default_rng(seed)
    noisy = features.descriptors[index] + rng.normal(0, 8, (len(index), 128))
    some = features.take(index)
    return Features(some.points, some.angles, some.sizes, np.clip(noisy, 0, 255).astype(np.uint8))


def brute_force(train, query, k):
    apart = np.linalg.norm(
        query.descriptors[:, None].astype(float) - train.descriptors[None], axis=2
    )
    order = np.argsort(apart, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(apart, order, 1)


def test_agrees_with_brute_force():
    train = made(1500, 0)
    asked = np.random.default_rng(1).choice(1500, 100, replace=False)
    query = disturbed(train, asked, 2)
    found = FeatureIndex(train).match(query)
    order, apart = brute_force(train, query, 2)
    assert np.array_equal(found.query, np.arange(100))
    same = found.train == order[:, 0]
    assert same.mean() > 0.98
    assert (found.train == asked).mean() > 0.98
    # The second neighbor of random descriptors is often missed by a little.
    expected = apart[:, 0] / apart[:, 1]
    assert np.median(np.abs(found.ratio - expected)) < 0.03
    assert found.ratio.max() < 0.9


def test_more_neighbors_come_in_order_of_distance():
    train, query = made(400, 3), made(30, 4)
    found = FeatureIndex(train, checks=100000).match(query, k=4)
    order, apart = brute_force(train, query, 4)
    assert np.array_equal(found.query, np.repeat(np.arange(30), 3))
    assert (found.train.reshape(30, 3) == order[:, :3]).mean() > 0.97
    assert found.ratio.reshape(30, 3) == pytest.approx(apart[:, :3] / apart[:, 3:], abs=0.01)


def test_two_indices_give_equal_matches():
    train, query = made(5000, 5), made(300, 6)
    one = FeatureIndex(train, checks=32).match(query)
    FeatureIndex(made(50, 7), seed=9)  # leaves the generator elsewhere
    other = FeatureIndex(train, checks=32).match(query)
    assert np.array_equal(one.train, other.train)
    assert np.array_equal(one.ratio, other.ratio)


def test_repeated_searches_are_equal():
    index, query = FeatureIndex(made(5000, 8), checks=32), made(300, 9)
    assert np.array_equal(index.match(query).train, index.match(query).train)


def test_nothing_to_look_for():
    index = FeatureIndex(made(10, 0))
    assert len(index.match(Features.empty())) == 0


def test_one_feature_is_no_index():
    with pytest.raises(ValueError, match="two neighbors"):
        FeatureIndex(made(1, 0))
