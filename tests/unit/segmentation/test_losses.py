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


def _two_classes(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, 2, 6, 7, generator=generator)
    target = torch.randint(-1, 2, (2, 6, 7), generator=generator)
    distance = torch.randint(1, 9, (2, 6, 7), generator=generator) * (2.0 * target - 1)
    return logits, target, torch.where(target < 0, 0.0, distance)


def _loss(**cfg):
    return SegmentationLoss(LossConfig(class_weights="none", **cfg), np.ones(2, np.float32))


def test_dice_is_that_of_its_definition():
    logits, target, _ = _two_classes()
    shares, truth = logits.softmax(1).double().numpy(), target.numpy()
    known = truth >= 0
    dices = []
    for number in (0, 1):
        p, t = shares[:, number][known], truth[known] == number
        dices.append(2 * (p * t).sum() / (p.sum() + t.sum()))
    found = _loss(terms={"dice": 1.0})(logits, target)
    assert found.item() == pytest.approx(1 - np.mean(dices), rel=1e-5)
    perfect = torch.nn.functional.one_hot(target.clamp_min(0), 2).movedim(-1, 1) * 100.0
    assert _loss(terms={"dice": 1.0})(perfect, target).item() == pytest.approx(0, abs=1e-6)


def test_dice_leaves_out_classes_that_do_not_occur():
    logits = torch.zeros(1, 2, 2, 2)
    found = _loss(terms={"dice": 1.0})(logits, torch.zeros(1, 2, 2, dtype=torch.int64))
    assert found.item() == pytest.approx(1 - 2 * 0.5 * 4 / (0.5 * 4 + 4))


def test_the_boundary_loss_grows_with_the_distance_of_what_is_wrong():
    _, target, distance = _two_classes()
    loss = _loss(terms={"boundary": 2.0})
    right = torch.nn.functional.one_hot(target.clamp_min(0), 2).movedim(-1, 1) * 100.0
    assert loss(right, target, distance).item() == pytest.approx(0, abs=1e-6)
    for at in (torch.nonzero(target >= 0)[0], torch.nonzero(target >= 0)[-1]):
        b, y, x = at.tolist()
        wrong = right.clone()
        wrong[b, :, y, x] = right[b, :, y, x].flip(0)
        expected = 2.0 * distance[b, y, x].abs() / 127 / (target >= 0).sum()
        torch.testing.assert_close(loss(wrong, target, distance), expected)


def test_pixels_at_borders_count_more():
    logits, target, distance = _two_classes()
    loss = _loss(border_weight=3.0, border_width=2.0)
    by_pixel = 1 + 3 * torch.exp(-0.5 * ((distance.abs() - 0.5).clamp_min(0) / 2) ** 2)
    each = torch.nn.functional.cross_entropy(logits, target, reduction="none", ignore_index=-1)
    expected = (each * by_pixel).sum() / (by_pixel * (target >= 0)).sum()
    torch.testing.assert_close(loss(logits, target, distance), expected)


def test_terms_add_up_with_their_weights():
    given = _two_classes()
    one = {name: _loss(terms={name: 1.0})(*given) for name in ("cross_entropy", "dice", "boundary")}
    both = _loss(terms={"cross_entropy": 0.5, "dice": 2.0, "boundary": 3.0})(*given)
    expected = 0.5 * one["cross_entropy"] + 2 * one["dice"] + 3 * one["boundary"]
    torch.testing.assert_close(both, expected)


@pytest.mark.parametrize(
    "terms", [{"dice": 1.0}, {"boundary": 1.0}, {"cross_entropy": 1.0, "dice": 1.0}]
)
def test_no_term_gives_nan_without_labels(terms):
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    nothing = torch.full((1, 3, 3), -1)
    loss = _loss(terms=terms)(logits, nothing, torch.zeros(1, 3, 3))
    loss.backward()
    assert loss.item() == 0 and (logits.grad == 0).all()


def test_a_loss_that_needs_outlines_says_so():
    assert not LossConfig().uses_outlines and LossConfig(border_weight=1).uses_outlines
    logits, target, _ = _two_classes()
    with pytest.raises(ValueError, match="distance"):
        _loss(terms={"boundary": 1.0})(logits, target)
