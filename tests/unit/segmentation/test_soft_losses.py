"""Shares as targets, more terms, and what pixels weigh: against formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.config.experiments import LossConfig
from nadir.segmentation.loss_terms import (
    at_edges,
    boundary_loss,
    lovasz_loss,
    shared_overlap_loss,
    soft_dice_loss,
)
from nadir.segmentation.losses import SegmentationLoss, class_weights

WEIGHTS = np.array([0.5, 1.0, 2.0], np.float32)


def _batch(seed=0, classes=3, side=6):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, side, side, generator=generator)
    target = torch.randint(-1, classes, (2, side, side), generator=generator)
    hot = torch.nn.functional.one_hot(target.clamp_min(0), classes).movedim(-1, 1)
    return logits, target, (hot * (target >= 0)[:, None]).float()


def _loss(**cfg):
    return SegmentationLoss(LossConfig(**cfg), WEIGHTS)


@pytest.mark.parametrize("terms", [{"cross_entropy": 1.0}, {"cross_entropy": 1.0, "dice": 0.5}])
def test_whole_shares_give_what_hard_labels_give(terms):
    logits, target, hot = _batch()
    soft = _loss(terms=terms, labels="fraction")(logits, target, shares=hot)
    torch.testing.assert_close(soft, _loss(terms=terms)(logits, target))


def test_a_mixed_pixel_counts_as_the_fine_pixels_in_it():
    """Cross-entropy of shares is that of the fine mask, each of its pixels predicted alike."""
    logits = torch.randn(1, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    fine = torch.randint(-1, 3, (1, 8, 8), generator=torch.Generator().manual_seed(2))
    cells = fine.reshape(1, 2, 4, 2, 4)
    shares = torch.stack([(cells == k).float().mean(dim=(2, 4)) for k in range(3)], dim=1)
    coarse = _loss(labels="fraction")(logits, torch.zeros(1, 2, 2, dtype=torch.long), shares=shares)
    each = logits.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(coarse, _loss()(each, fine))


def test_overlap_is_least_where_prediction_and_shares_are_equal():
    truth = torch.tensor([0.3, 0.7]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    wrong = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    for union in (False, True):
        assert shared_overlap_loss(truth, truth, union=union) == 0
        assert shared_overlap_loss(wrong, truth, union=union) > 0.1


def test_both_forms_of_dice_agree_on_hard_truth():
    logits, target, hot = _batch(3)
    p = logits.softmax(1)
    torch.testing.assert_close(shared_overlap_loss(p, hot), soft_dice_loss(p, target))
    p, t = p * hot.sum(1, keepdim=True), hot
    by_class = 1 - (p * t).sum((0, 2, 3)) / (p + t - p * t).sum((0, 2, 3))
    torch.testing.assert_close(
        shared_overlap_loss(logits.softmax(1), hot, union=True), by_class.mean()
    )


def test_focal_is_cross_entropy_that_counts_certain_pixels_less():
    logits, target, _ = _batch(4)
    plain = _loss(terms={"focal": 1.0}, focal_gamma=0.0)(logits, target)
    torch.testing.assert_close(plain, _loss()(logits, target))
    known = target >= 0
    p = logits.softmax(1).gather(1, target.clamp_min(0)[:, None])[:, 0][known]
    w = torch.from_numpy(WEIGHTS)[target[known]]
    expected = (w * (1 - p) ** 2 * -p.log()).sum() / w.sum()
    torch.testing.assert_close(_loss(terms={"focal": 1.0})(logits, target), expected)


def _jaccard(errors, truth):
    """1 - IoU of the set of pixels that are wrong."""
    wrong = errors.bool()
    union = (truth.bool() | wrong).sum()
    return wrong.sum() / union


def test_lovasz_is_the_lost_iou_where_prediction_is_certain():
    target = torch.tensor([[[0, 0, 1, 1], [2, 2, -1, 1]]])
    guess = torch.tensor([[[0, 1, 1, 2], [2, 0, 0, 1]]])
    certain = torch.nn.functional.one_hot(guess, 3).movedim(-1, 1).double()
    known = target >= 0
    expected = [_jaccard((((target == k) != (guess == k)) & known), target == k) for k in range(3)]
    torch.testing.assert_close(lovasz_loss(certain, target), torch.stack(expected).double().mean())


def test_smoothing_spreads_a_share_of_each_label():
    logits, target, hot = _batch(5)
    soft = _loss(labels="fraction")(
        logits, target, shares=0.9 * hot + 0.1 / 3 * hot.sum(1, keepdim=True)
    )
    torch.testing.assert_close(_loss(smoothing=0.1)(logits, target), soft)


def test_edges_are_pixels_with_a_neighbor_of_another_class():
    target = torch.randint(-1, 3, (2, 7, 9), generator=torch.Generator().manual_seed(6))
    found = at_edges(target)
    for b, y, x in np.ndindex(*target.shape):
        near = target[b, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        own = target[b, y, x]
        assert found[b, y, x] == bool(own >= 0 and ((near >= 0) & (near != own)).any())


def test_pixel_weights_are_as_configured():
    logits, target, hot = _batch(7)
    seen = torch.rand(target.shape, generator=torch.Generator().manual_seed(8))
    shares = hot * 0.6
    shares[:, 0] += 0.4 * (target >= 0)
    found = _loss(edge_weight=2.0, purity=1.5, cloud_weight=0.25)(
        logits, target, shares=shares, seen=seen, edges=at_edges(target)
    )
    pixel = (1 + 2 * at_edges(target)) * shares.amax(1) ** 1.5 * (0.25 + 0.75 * seen)
    w = torch.from_numpy(WEIGHTS)[target.clamp_min(0)] * (target >= 0) * pixel
    ce = torch.nn.functional.cross_entropy(logits, target.clamp_min(0), reduction="none")
    torch.testing.assert_close(found, (w * ce).sum() / w.sum())


TERMS = [
    ("cross_entropy", "hard"),
    ("focal", "hard"),
    ("dice", "hard"),
    ("jaccard", "hard"),
    ("lovasz", "hard"),
    ("boundary", "hard"),
    ("cross_entropy", "fraction"),
    ("focal", "fraction"),
    ("dice", "fraction"),
    ("jaccard", "fraction"),
]


@pytest.mark.parametrize(("name", "labels"), TERMS)
@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_in_every_term_a_pixel_counts_as_so_many_pixels(name, labels, count):
    logits, target, hot = _batch(10, classes=2 if name == "boundary" else 3)
    generator = torch.Generator().manual_seed(11)
    shares = torch.rand(hot.shape, generator=generator) * hot.sum(1, keepdim=True) / hot.shape[1]
    distance = torch.randint(-127, 128, target.shape, generator=generator).float()
    edges = torch.rand(target.shape, generator=generator) < 0.5
    times = torch.where(edges, count, 1).reshape(-1)

    def rows(part):
        """All pixels in one row, each as often as it counts."""
        flat = part.movedim(1, -1) if part.ndim == 4 else part[..., None]
        repeated = flat.reshape(len(times), -1).repeat_interleave(times, 0).T[None, :, None]
        return repeated if part.ndim == 4 else repeated[:, 0]

    weights = WEIGHTS[: logits.shape[1]]
    given = [logits, target, distance, shares]
    cfg = LossConfig(terms={name: 1.0}, labels=labels, edge_weight=count - 1)
    found = SegmentationLoss(cfg, weights)(*given, edges=edges)
    plain = SegmentationLoss(cfg.model_copy(update={"edge_weight": 0.0}), weights)
    torch.testing.assert_close(found, plain(*[rows(part) for part in given]))
    if count != 1:
        assert abs(found - plain(*given)) > 1e-4


@pytest.mark.parametrize(
    ("name", "labels"), [pair for pair in TERMS if pair[0] in ("dice", "jaccard", "lovasz")]
)
def test_classes_weigh_in_the_mean_over_classes(name, labels):
    """The loss is the weighted mean of those of single classes, of the ones that occur."""
    logits, target, hot = _batch(12)
    cfg = LossConfig(terms={name: 1.0}, labels=labels)

    def loss(weights):
        return SegmentationLoss(cfg, np.array(weights, np.float32))(logits, target, shares=hot)

    single = [loss(one) for one in np.eye(3)]
    assert len({round(float(each), 4) for each in single}) == 3
    torch.testing.assert_close(loss([1, 1, 1]), sum(single) / 3)
    torch.testing.assert_close(loss(WEIGHTS), (0.5 * single[0] + single[1] + 2 * single[2]) / 3.5)
    target, hot = target.masked_fill(target == 2, -1), hot.clone()
    hot[:, 2] = 0
    torch.testing.assert_close(loss(WEIGHTS), (0.5 * loss([1, 0, 0]) + loss([0, 1, 0])) / 1.5)


def test_pixels_weigh_as_their_class_in_the_boundary_term():
    logits, target, _ = _batch(13, classes=2)
    distance = torch.randint(-9, 10, target.shape).float()
    w = torch.tensor([0.5, 2.0])
    known = target >= 0
    wrong = 1 - logits.softmax(1).gather(1, target.clamp_min(0)[:, None])[:, 0][known]
    by_pixel = w[target[known]]
    expected = (by_pixel * wrong * distance.abs()[known] / 127).sum() / by_pixel.sum()
    torch.testing.assert_close(boundary_loss(logits.softmax(1), target, distance, w), expected)


def test_weights_of_one_change_no_bit():
    logits, target, hot = _batch(14, classes=2, side=32)
    p, even, ones = logits.softmax(1), torch.ones(2), torch.ones(target.shape)
    distance = torch.randint(-9, 10, target.shape).float()
    for term, truth in (
        (soft_dice_loss, (target,)),
        (lovasz_loss, (target,)),
        (shared_overlap_loss, (hot,)),
        (boundary_loss, (target, distance)),
    ):
        assert torch.equal(term(p, *truth), term(p, *truth, even, ones))


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"smoothing": 0.1}, "smoothing: 0"),
        ({"border_weight": 1.0}, "border_weight: 0"),
        ({"labels": "fraction", "terms": {"lovasz": 1.0}}, "labels: hard"),
    ],
)
def test_what_acts_in_no_term_is_refused(given, remedy):
    terms = given.pop("terms", {"dice": 1.0, "lovasz": 0.5})
    with pytest.raises(ValueError, match=f"acts in no term.*lovasz.*cross_entropy.*{remedy}"):
        LossConfig(terms=terms, **given)
    LossConfig(terms={**terms, "focal": 0.1}, **given)


@pytest.mark.parametrize("edges", [True, False])
def test_pixels_that_all_weigh_nothing_give_no_nan(edges):
    logits, target, _ = _batch(15, classes=2)
    logits.requires_grad_()
    terms = dict.fromkeys(("cross_entropy", "focal", "dice", "jaccard", "lovasz", "boundary"), 1.0)
    loss = SegmentationLoss(LossConfig(terms=terms, edge_weight=-1), np.ones(2, np.float32))
    left_out = torch.full(target.shape, edges)
    found = loss(logits, target, torch.ones(target.shape), edges=left_out)
    found.backward()
    assert (found == 0) == edges and logits.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "labels"), [pair for pair in TERMS if pair[0] not in ("cross_entropy", "boundary")]
)
def test_no_term_gives_nan_without_labels_and_all_have_gradients(name, labels):
    logits, target, hot = _batch(9)
    loss = _loss(terms={name: 1.0}, labels=labels)
    logits.requires_grad_()
    loss(logits, target, shares=hot).backward()
    assert logits.grad.isfinite().all() and logits.grad.abs().sum() > 0
    empty = loss(logits, torch.full_like(target, -1), shares=torch.zeros_like(hot))
    assert empty == 0


def test_what_is_needed_and_not_given_is_named():
    logits, target, _ = _batch()
    with pytest.raises(ValueError, match="shares of the classes"):
        _loss(labels="fraction")(logits, target)


def test_class_weights_by_number():
    counts = [10, 1000, 0]
    ins = class_weights(LossConfig(class_weights="ins"), counts, ["a", "b", "c"])
    np.testing.assert_allclose(ins, [2 / 1.01, 0.02 / 1.01, 0], rtol=1e-5)
    even = LossConfig(class_weights="effective_number", beta=0.0)
    np.testing.assert_allclose(class_weights(even, counts, ["a", "b", "c"]), [1, 1, 0])
    few = class_weights(
        LossConfig(class_weights="effective_number", beta=0.9), counts, ["a", "b", "c"]
    )
    raw = np.array([0.1 / (1 - 0.9**10), 0.1 / (1 - 0.9**1000)])
    np.testing.assert_allclose(few[:2], raw / raw.mean(), rtol=1e-5)
