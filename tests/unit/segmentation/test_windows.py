"""Geometry of sliding windows: everything covered, weights a partition of one."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.segmentation.windows import Axis, taper, window_starts

CASES = [
    (1, 16, 0.5),
    (15, 16, 0.5),
    (16, 16, 0.5),
    (17, 16, 0.5),
    (100, 16, 0.0),
    (100, 16, 0.25),
    (101, 17, 0.5),
    (97, 16, 0.9),
    (1000, 300, 0.5),
]


@pytest.mark.parametrize(("length", "window", "overlap"), CASES)
def test_weights_partition_one_over_the_whole_axis(
    length: int, window: int, overlap: float
) -> None:
    axis = Axis.of(length, window, overlap)
    total = np.zeros(length + window)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        total[start : start + window] += weights
    np.testing.assert_allclose(total[:length], 1, atol=1e-12)
    assert not total[length:].any()


@pytest.mark.parametrize(("length", "window", "overlap"), CASES)
def test_windows_lie_inside_and_share_at_least_the_overlap(
    length: int, window: int, overlap: float
) -> None:
    starts = np.array(window_starts(length, window, overlap))
    assert starts[0] == 0
    if length <= window:
        assert starts.tolist() == [0]
        return
    assert starts[-1] == length - window
    steps = np.diff(starts)
    assert steps.min() >= 1
    assert steps.max() <= max(1, window - round(window * overlap))
    assert steps.max() - steps.min() <= 1, "windows are spread evenly"


def test_no_more_windows_than_needed() -> None:
    assert len(window_starts(1000, 300, 0.5)) == 1 + -(-700 // 150)
    assert window_starts(600, 300, 0.0) == (0, 300)


def test_taper_is_positive_symmetric_and_complementary() -> None:
    weights = taper(20, 6)
    assert (weights > 0).all()
    assert (weights <= 1).all()
    np.testing.assert_array_equal(weights, weights[::-1])
    np.testing.assert_allclose(weights[-6:] + weights[:6], 1)
    np.testing.assert_array_equal(weights[6:-6], 1)
    np.testing.assert_array_equal(taper(20, 0), 1)
    assert (taper(21, 21) > 0).all()


@pytest.mark.parametrize("bad", [(0, 16, 0.5), (10, 0, 0.5), (10, 16, 1.0), (10, 16, -0.1)])
def test_impossible_windows_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(ValueError, match="no windows"):
        window_starts(*bad)


@pytest.mark.parametrize("side", [1, 20, 40, 64, 1000])
@pytest.mark.parametrize("align", [1, 8])
def test_blocks_hold_every_window_once_and_finish_every_pixel_once(side: int, align: int) -> None:
    axis = Axis.of(101, 17, 0.5)
    blocks = axis.blocks(side, align)
    assert [n for block in blocks for n in range(block.first, block.last)] == list(
        range(len(axis.starts))
    )
    assert [blocks[0].begin, *(block.end for block in blocks)] == [
        *(block.begin for block in blocks),
        101,
    ]
    for block in blocks:
        later = axis.starts[block.last :]
        assert all(start >= block.end for start in later), "a later window reaches a final pixel"
        assert all(start >= block.begin for start in axis.starts[block.first : block.last])
        assert block.reach == max(s + 17 for s in axis.starts[block.first : block.last])
