"""The kernels against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadir.raster import kernels


def identity(count):
    """Return the table value -> id for ids 0 to count - 1; the rest is unknown."""
    ids = np.full(256, kernels.UNKNOWN, np.uint8)
    ids[:count] = np.arange(count)
    return ids


def run(mask, factor, count, rule=kernels.MODE, weights=None, min_share=0.0, ids=None):
    """Return (shares, hard, unknown) of `kernels.aggregate`."""
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    shares = np.full((count, height, width), 77, np.uint8)
    hard = np.full((height, width), 77, np.uint8)
    unknown = kernels.aggregate(
        mask,
        identity(count) if ids is None else ids,
        factor,
        count,
        rule,
        np.ones(count) if weights is None else np.asarray(weights, float),
        min_share,
        shares,
        hard,
    )
    return shares, hard, unknown


def brute_counts(mask, factor, count):
    """Return int64 (count, h, w): how often each id occurs in each cell."""
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    cells = mask.reshape(height, factor, width, factor)
    return np.stack([(cells == k).sum(axis=(1, 3)) for k in range(count)])


def brute_hard(counts, weights, min_share):
    """Return the label by the rule's own words, cell by cell."""
    total = counts.sum(axis=0)[0, 0]
    hard = np.zeros(counts.shape[1:], np.uint8)
    for i, j in np.ndindex(hard.shape):
        if total - counts[0, i, j] < min_share * total:
            continue
        scores = [weights[k] * counts[k, i, j] for k in range(1, len(counts))]
        if max(scores) > 0:
            hard[i, j] = 1 + scores.index(max(scores))
    return hard


@st.composite
def problems(draw):
    factor = draw(st.sampled_from([1, 2, 3, 5, 7, 10, 15, 16, 17, 31, 40]))
    count = draw(st.sampled_from([2, 3, 13, 15, 16, 30, 65]))
    height, width = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    used = draw(st.integers(1, count))  # few ids make pure cells and ties likely
    blob = draw(st.sampled_from([1, 3, 20]))
    small = rng.integers(0, used, (height * factor // blob + 1, width * factor // blob + 1))
    mask = np.kron(small, np.ones((blob, blob), int))[: height * factor, : width * factor]
    return np.ascontiguousarray(mask, np.uint8), factor, count


@settings(max_examples=150, deadline=None)
@given(problems(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_aggregate_is_plain_counting(problem, min_share):
    mask, factor, count = problem
    counts = brute_counts(mask, factor, count)
    weights = np.linspace(0.5, 3, count)
    shares, hard, unknown = run(mask, factor, count, min_share=min_share)
    scale = kernels.share_scale(factor)
    assert unknown == 0
    if factor**2 <= 255:
        assert scale == factor**2
        assert (shares == counts).all()
    else:
        assert scale == 250
        assert np.abs(shares / scale - counts / factor**2).max() <= 0.5 / scale + 1e-12
    assert (hard == brute_hard(counts, np.ones(count), min_share)).all()
    weighted = run(mask, factor, count, kernels.WEIGHTED, weights, min_share)[1]
    assert (weighted == brute_hard(counts, weights, min_share)).all()
    nearest = run(mask, factor, count, kernels.NEAREST)[1]
    assert (nearest == mask[factor // 2 :: factor, factor // 2 :: factor]).all()


@pytest.mark.parametrize("count", [5, 20])
@pytest.mark.parametrize("factor", [1, 4, 10, 20])
def test_unknown_values_are_counted(count, factor):
    mask = np.ones((3 * factor, 3 * factor), np.uint8)
    assert run(mask, factor, count)[2] == 0
    mask[factor, factor] = 200  # in the middle pixel
    mask[2 * factor :, 2 * factor :] = 201  # the whole last one
    assert run(mask, factor, count)[2] == 2


def test_raw_values_are_translated_by_the_table():
    ids = np.full(256, kernels.UNKNOWN, np.uint8)
    ids[[0, 255]], ids[40], ids[7] = 0, 1, 2
    mask = np.array([[40, 40, 7, 255], [40, 7, 0, 255]], np.uint8)
    shares, hard, unknown = run(mask, 2, 3, ids=ids)
    assert unknown == 0
    assert shares[:, 0, 0].tolist() == [0, 3, 1]
    assert shares[:, 0, 1].tolist() == [3, 0, 1]
    assert hard.tolist() == [[1, 2]]


def test_the_lowest_id_wins_ties_and_weights_turn_them():
    mask = np.array([[2, 2], [1, 1]], np.uint8)
    assert run(mask, 2, 3)[1].item() == 1
    assert run(mask, 2, 3, kernels.WEIGHTED, [1, 1, 1.5])[1].item() == 2
    assert run(mask, 2, 3, kernels.WEIGHTED, [1, 0, 0])[1].item() == 0


def area(mask, step, start, shape, count, rule=kernels.MODE, min_share=0.0):
    """Run `aggregate_area` over a whole mask with square steps."""
    edges = []
    for size, first in zip(shape, start, strict=True):
        at = first + np.arange(size + 1) * step
        edges.append(np.stack([at[:-1], at[1:]], axis=1))
    shares = np.empty((count, *shape), np.uint8)
    hard = np.empty(shape, np.uint8)
    unknown = kernels.aggregate_area(
        mask, identity(count), *edges, count, rule, np.ones(count), min_share, shares, hard
    )
    return shares, hard, unknown


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 60), st.integers(0, 12), st.integers(0, 12), st.sampled_from([3, 13, 30]),
    st.integers(0, 2**32),
)  # fmt: skip
def test_area_weights_are_supersampling_at_the_limit(tenths, y0, x0, count, seed):
    """Edges at multiples of a tenth: brute force repeats each mask pixel 10 x 10 times."""
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, count, (14, 16), dtype=np.uint8)
    shape = min(5, (140 - y0) // tenths), min(6, (160 - x0) // tenths)
    shares, hard, unknown = area(mask, tenths / 10, (y0 / 10, x0 / 10), shape, count)
    fine = np.kron(mask, np.ones((10, 10), np.uint8))
    fine = fine[y0 : y0 + shape[0] * tenths, x0 : x0 + shape[1] * tenths]
    counts = brute_counts(fine, tenths, count)
    assert unknown == 0
    assert np.abs(shares / 250 - counts / tenths**2).max() <= 0.5 / 250 + 1e-5
    assert (hard == brute_hard(counts, np.ones(count), 0.0)).all()
    nearest = area(mask, tenths / 10, (y0 / 10, x0 / 10), shape, count, kernels.NEAREST)[1]
    middle = tenths // 2
    if tenths % 2:  # else the center may fall on an edge of the mask, rightly either way
        assert (nearest == fine[middle::tenths, middle::tenths]).all()


def test_smoothing_is_a_weighted_box_filter_of_shares():
    rng = np.random.default_rng(1)
    count, radius, shape = 4, 2, (9, 11)
    raw = rng.integers(0, 100, (count, shape[0] + 4, shape[1] + 4))
    shares = (raw / raw.sum(axis=0) * 240).astype(np.uint8)
    shares[0] = 250 - shares[1:].sum(axis=0)
    weights = np.array([1, 1, 2, 0.5])
    hard = np.empty(shape, np.uint8)
    kernels.smoothed_label(shares, 250, radius, weights, 0.6, hard)
    for i, j in np.ndindex(shape):
        box = shares[1:, i : i + 5, j : j + 5].astype(int).sum(axis=(1, 2)) * weights[1:]
        own = 250 - int(shares[0, i + 2, j + 2])
        assert hard[i, j] == (1 + box.argmax() if own >= 150 else 0)
