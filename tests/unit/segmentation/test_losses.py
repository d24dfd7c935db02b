"""Class weights by formula; cross-entropy over labelled pixels only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.config.experiments import LossConfig
from nadir.segmentation.losses import SegmentationLoss, class_weights

NAMES = ["field", "forest", "town"]


def test_inverse_frequency_is_total_over_classes_times_count():
    weights = class_weights(LossConfig(), [600, 300, 100], NAMES)
    np.testing.assert_allclose(weights, [1000 / 1800, 1000 / 900, 1000 / 300], rtol=1e-6)


def test_inverse_root_has_mean_one():
    weights = class_weights(LossConfig(class_weights="inverse_root"), [400, 100, 25], NAMES)
    np.testing.assert_allclose(weights / weights[0], [1, 2, 4], rtol=1e-6)
    assert weights.mean() == pytest.approx(1)


def test_no_weight_exceeds_the_largest_and_absent_classes_weigh_nothing():
    weights = class_weights(LossConfig(max_weight=4), [10_000, 1, 0], NAMES)
    assert weights[1] == 4
    assert weights[2] == 0
    assert weights[0] == pytest.approx(10_001 / (2 * 10_000))


def test_manual_weights_go_by_name():
    cfg = LossConfig(class_weights="manual", manual={"town": 3.0})
    assert class_weights(cfg, [1, 1, 1], NAMES).tolist() == [1, 1, 3]
    assert class_weights(LossConfig(class_weights="none"), [5, 1, 1], NAMES).tolist() == [1, 1, 1]


def test_loss_is_the_weighted_mean_over_labelled_pixels():
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    target = torch.arange(40).reshape(2, 4, 5) % 4 - 1
    loss = SegmentationLoss(LossConfig(), np.array([1.0, 2.0, 0.5], np.float32))
    expected = torch.nn.functional.cross_entropy(
        logits, target, weight=torch.tensor([1.0, 2.0, 0.5]), ignore_index=-1
    )
    torch.testing.assert_close(loss(logits, target), expected)


def test_pixels_without_label_have_no_gradient():
    logits = torch.zeros(1, 3, 2, 2, requires_grad=True)
    target = torch.tensor([[[0, -1], [-1, 2]]])
    SegmentationLoss(LossConfig(), np.ones(3, np.float32))(logits, target).backward()
    moved = logits.grad.abs().sum(dim=1)[0] > 0
    assert moved.tolist() == [[True, False], [False, True]]


def test_a_batch_without_labels_gives_zero_and_no_nan():
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = SegmentationLoss(LossConfig(), np.ones(3, np.float32))(logits, torch.full((1, 2, 2), -1))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(logits.grad).all() and (logits.grad == 0).all()
