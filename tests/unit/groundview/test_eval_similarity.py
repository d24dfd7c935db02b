"""Similarity of pictures against loops, and land cover by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.groundview.land_cover import agreement, by_class, chance_agreement, without_sky
from nadir.groundview.pairs import CLASSES
from nadir.groundview.similarity import PEAK, signal_to_noise, structural_similarity


def some(seed, count=3, side=20):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


def brute_ssim(one, other):
    """Return SSIM by its definition: every window that lies inside, weighed by the Gaussian."""
    at = np.arange(11) - 5
    weights = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    found = []
    for x, y in zip(one / 255.0, other / 255.0, strict=True):
        for top in range(x.shape[0] - 10):
            for left in range(x.shape[1] - 10):
                a, b = (p[top : top + 11, left : left + 11] for p in (x, y))
                ma, mb = (weights * a).sum(), (weights * b).sum()
                va, vb = (weights * a * a).sum() - ma**2, (weights * b * b).sum() - mb**2
                cov = (weights * a * b).sum() - ma * mb
                found.append(
                    (2 * ma * mb + 1e-4) * (2 * cov + 9e-4)
                    / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
                )  # fmt: skip
    return np.mean(found)


def test_structural_similarity_is_its_definition():
    one = some(1)
    other = np.clip(one.astype(int) + np.random.default_rng(2).integers(-60, 60, one.shape), 0, 255)
    other = other.astype(np.uint8)
    found = structural_similarity(one, other)
    assert found == pytest.approx([brute_ssim(a, b) for a, b in zip(one, other, strict=True)],
                                  abs=1e-9)  # fmt: skip
    assert structural_similarity(one, one) == pytest.approx([1, 1, 1])
    assert len(structural_similarity(some(3, 70, 16), some(4, 70, 16))) == 70


def test_signal_to_noise_is_that_of_torchmetrics():
    import torch
    from torchmetrics.functional.image import peak_signal_noise_ratio

    one, other = some(5), some(6)
    values = [torch.from_numpy(p).double() / 255 for p in (one, other)]
    wanted = peak_signal_noise_ratio(*values, data_range=1.0, reduction="none", dim=(1, 2, 3))
    assert signal_to_noise(one, other) == pytest.approx(wanted.numpy())


def test_signal_to_noise_by_hand():
    one = np.zeros((3, 3, 16, 16), np.uint8)
    other = one.copy()
    other[1] = 255
    other[2, 0] = 51  # a fifth of the range, in one channel of three
    found = signal_to_noise(one, other)
    assert found == pytest.approx([PEAK, 0, -10 * np.log10(0.04 / 3)], abs=1e-4)


def test_agreement_is_the_ground_that_both_show():
    one = np.zeros((3, 12))
    other = np.zeros((3, 12))
    one[0, :2], other[0, 1:3] = (0.25, 0.75), (0.5, 0.5)
    one[1, 0] = other[1, 0] = 7.0
    found = agreement(one, other)
    assert found[:2].tolist() == [0.5, 1.0] and np.isnan(found[2])
    variation = 1 - 0.5 * np.abs(one[0] - other[0]).sum()
    assert found[0] == variation


def test_chance_is_the_mean_over_other_places():
    shares = np.eye(12)[[0, 0, 1, 2]]
    assert chance_agreement(shares, shares) == pytest.approx([1 / 3, 1 / 3, 0, 0])


def test_sky_is_left_out():
    view = np.zeros((2, 13))
    view[0, [0, 1, 5]] = 0.5, 0.1, 0.4
    view[1, 0] = 1
    found = without_sky(view)
    assert found[0, [0, 4]] == pytest.approx([0.2, 0.8]) and np.isnan(found[1]).all()


def test_classes_are_followed_each_for_itself():
    truth = np.zeros((4, 12))
    truth[:, 0] = [0, 0.2, 0.6, 1]
    truth[:, 11] = 1 - truth[:, 0]
    found = by_class(truth[::-1], truth)
    assert list(found) == list(CLASSES)
    assert found["herbaceous"]["correlation"] < -0.9
    assert found["water"]["error"] == pytest.approx(np.abs(truth[:, 0] - truth[::-1, 0]).mean())
    assert np.isnan(found["forest"]["correlation"]) and found["forest"]["share"] == 0
    assert by_class(truth, truth)["water"]["correlation"] == pytest.approx(1)
