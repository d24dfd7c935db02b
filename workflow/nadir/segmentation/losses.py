"""What a network minimizes, and how much each class and each pixel counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from nadir.config.training import LossConfig
from nadir.segmentation.loss_terms import (
    IGNORED,
    TINY,
    boundary_loss,
    lovasz_loss,
    shared_cross_entropy,
    shared_overlap_loss,
    soft_dice_loss,
    weighted_cross_entropy,
)

_NEEDED = {
    "distance": "the distance to the outlines",
    "shares": "the shares of the classes",
    "seen": "the share of dates on which pixels are seen",
    "edges": "which pixels have a neighbor of another class",
}


def class_weights(cfg: LossConfig, counts: Sequence[int], names: Sequence[str]) -> np.ndarray:
    """Return the weight of each class in the loss.

    With n pixels of a class in the training tiles, N labelled pixels in all and K classes that
    occur: `inverse_frequency` is N / (K n); `inverse_root` is 1 / sqrt(n), scaled so that the mean
    over those classes is 1; `ins` is 1 / n and `effective_number` (1 - beta) / (1 - beta^n) (Cui et
    al. 2019), scaled alike; `none` is 1; `manual` is as given by name, 1 where not given. Then none
    exceeds `max_weight`. A class that never occurs weighs 0 (it has no pixel to weigh).

    Args:
        cfg: The section of the configuration.
        counts: Training pixels by class, ids 1..K.
        names: Class names by class, ids 1..K.

    Returns:
        float32 (K,).
    """
    n = np.asarray(counts, np.float64)
    there = n > 0
    safe = np.where(there, n, 1.0)
    if cfg.class_weights == "inverse_frequency":
        weights = n.sum() / (max(1, there.sum()) * safe)
    elif cfg.class_weights == "inverse_root":
        weights = _mean_one(1 / np.sqrt(safe), there)
    elif cfg.class_weights == "ins":
        weights = _mean_one(1 / safe, there)
    elif cfg.class_weights == "effective_number":
        # beta^n through its logarithm: n is in the millions, beta next to 1.
        distinct = -np.expm1(safe * np.log(cfg.beta)) if cfg.beta else np.ones_like(safe)
        weights = _mean_one(1 / distinct, there)
    elif cfg.class_weights == "manual":
        weights = np.array([cfg.manual.get(name, 1.0) for name in names])
    else:
        weights = np.ones_like(n)
    return np.where(there, np.minimum(weights, cfg.max_weight), 0.0).astype(np.float32)


def _mean_one(weights: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return weights whose mean over the classes that occur is 1."""
    return weights / weights[there].mean() if there.any() else weights


class SegmentationLoss(nn.Module):
    """A weighted sum of terms, over labelled pixels.

    A batch without any labelled pixel gives 0 (and no gradient) instead of NaN.

    Args:
        cfg: The section of the configuration.
        weights: float32 (K,) weight of each class, as `class_weights` gives.
    """

    weights: torch.Tensor

    def __init__(self, cfg: LossConfig, weights: np.ndarray) -> None:
        super().__init__()
        self.cfg = cfg
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)

    @property
    def adds_up(self) -> bool:
        """Whether the sums of parts of a batch, added up, are those of the batch."""
        return self.cfg.terms.keys() <= {"cross_entropy", "focal"}

    def forward(
        self,
        logits: torch.Tensor,
        target: torch.Tensor,
        distance: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
        seen: torch.Tensor | None = None,
        edges: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the scalar loss; arguments as for `sums`."""
        total, weight = self.sums(logits, target, distance, shares, seen, edges)
        return total / weight.clamp_min(TINY)

    def sums(
        self,
        logits: torch.Tensor,
        target: torch.Tensor,
        distance: torch.Tensor | None = None,
        shares: torch.Tensor | None = None,
        seen: torch.Tensor | None = None,
        edges: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return numerator and denominator of the loss, so that batches can be added up.

        The denominator is the weight of the pixels that count in cross-entropy.

        Args:
            logits: (B, K, H, W).
            target: int64 (B, H, W), id - 1; -1 is ignored.
            distance: float (B, H, W) signed distance to the nearest outline in pixels, positive in
                the last class; needed where `cfg.uses_outlines`.
            shares: float (B, K, H, W) share of each class in the pixel, 0 without a label; needed
                where `cfg.uses_shares`.
            seen: float (B, H, W) share of the dates on which the pixel is seen; needed where
                `cfg.cloud_weight` is below 1.
            edges: bool (B, H, W), whether the pixel has a neighbor of another class; needed where
                `cfg.edge_weight` is not 0.

        Raises:
            ValueError: When something that is needed is not given.
        """
        given = {"distance": distance, "shares": shares, "seen": seen, "edges": edges}
        for name in self.cfg.extras:
            if given[name] is None:
                raise ValueError(f"this loss needs {_NEEDED[name]}")
        terms = self.cfg.terms
        everywhere = self._pixel_weights(shares, seen, edges)
        pixels = self._with_borders(everywhere, distance)
        truth = self._truth(target, shares, logits.shape[1])
        if truth is None:
            total, weight = weighted_cross_entropy(logits, target, self.weights, pixels)
        else:
            smooth = self._smoothed(truth)
            total, weight = shared_cross_entropy(logits, smooth, self.weights, pixels)
        if terms.keys() == {"cross_entropy"}:
            return terms["cross_entropy"] * total, weight
        mean = terms.get("cross_entropy", 0.0) * total / weight.clamp_min(TINY)
        if "focal" in terms and truth is not None:
            focal, _ = shared_cross_entropy(
                logits, smooth, self.weights, pixels, self.cfg.focal_gamma
            )
            mean = mean + terms["focal"] * focal / weight.clamp_min(TINY)
        probabilities = logits.float().softmax(dim=1)
        mean = mean + self._overlaps(probabilities, target, truth, distance, everywhere)
        return mean * weight, weight

    def _overlaps(
        self,
        shares: torch.Tensor,
        target: torch.Tensor,
        truth: torch.Tensor | None,
        distance: torch.Tensor | None,
        pixels: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return the weighted sum of the terms that compare regions."""
        terms, weights = self.cfg.terms, self.weights
        mean = shares.new_zeros(())
        if "dice" in terms:
            if self.cfg.labels == "fraction" and truth is not None:
                dice = shared_overlap_loss(shares, truth, weights, pixels)
            else:
                dice = soft_dice_loss(shares, target, weights, pixels)
            mean = mean + terms["dice"] * dice
        if "jaccard" in terms and truth is not None:
            jaccard = shared_overlap_loss(shares, truth, weights, pixels, union=True)
            mean = mean + terms["jaccard"] * jaccard
        if "lovasz" in terms:
            mean = mean + terms["lovasz"] * lovasz_loss(shares, target, weights, pixels)
        if "boundary" in terms and distance is not None:
            boundary = boundary_loss(shares, target, distance, weights, pixels)
            mean = mean + terms["boundary"] * boundary
        return mean

    def _truth(
        self, target: torch.Tensor, shares: torch.Tensor | None, count: int
    ) -> torch.Tensor | None:
        """Return the share of each class, float (B, K, H, W); None where hard labels do."""
        if self.cfg.labels == "fraction":
            return shares
        if self.cfg.smoothing == 0 and not {"focal", "jaccard"} & self.cfg.terms.keys():
            return None
        known = target != IGNORED
        hot = functional.one_hot(target.clamp_min(0), count).movedim(-1, 1)
        return (hot * known[:, None]).float()

    def _smoothed(self, truth: torch.Tensor) -> torch.Tensor:
        """Return truth of which a share is spread over all classes."""
        if self.cfg.smoothing == 0:
            return truth
        even = truth.sum(dim=1, keepdim=True) / truth.shape[1]
        return torch.lerp(truth, even.expand_as(truth), self.cfg.smoothing)

    def _pixel_weights(
        self,
        shares: torch.Tensor | None,
        seen: torch.Tensor | None,
        edges: torch.Tensor | None,
    ) -> torch.Tensor | None:
        """Return what each pixel weighs in every term, float (B, H, W); None where all weigh 1."""
        cfg = self.cfg
        factors = []
        if cfg.edge_weight and edges is not None:
            factors.append(1 + cfg.edge_weight * edges.float())
        if cfg.purity and shares is not None:
            factors.append(shares.amax(dim=1) ** cfg.purity)
        if cfg.cloud_weight < 1 and seen is not None:
            factors.append(cfg.cloud_weight + (1 - cfg.cloud_weight) * seen)
        return torch.stack(factors).prod(dim=0) if factors else None

    def _with_borders(
        self, pixels: torch.Tensor | None, distance: torch.Tensor | None
    ) -> torch.Tensor | None:
        """Return what each pixel weighs in cross-entropy and focal: more at borders, if asked."""
        cfg = self.cfg
        if not cfg.border_weight or distance is None:
            return pixels
        away = (distance.abs() - 0.5).clamp_min(0) / cfg.border_width
        bordered = 1 + cfg.border_weight * torch.exp(-0.5 * away.square())
        return bordered if pixels is None else bordered * pixels
