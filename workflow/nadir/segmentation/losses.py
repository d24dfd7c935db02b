"""What a network minimizes, and how much each class counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from nadir.config.experiments import LossConfig

IGNORED = -1
"""Target of pixels without a label."""


def class_weights(cfg: LossConfig, counts: Sequence[int], names: Sequence[str]) -> np.ndarray:
    """Return the weight of each class in the loss.

    With n pixels of a class in the training tiles, N labelled pixels in all and K classes that
    occur: `inverse_frequency` is N / (K n); `inverse_root` is 1 / sqrt(n), scaled so that the mean
    over those classes is 1; `none` is 1; `manual` is as given by name, 1 where not given. Then none
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
        roots = 1 / np.sqrt(safe)
        weights = roots / roots[there].mean() if there.any() else roots
    elif cfg.class_weights == "manual":
        weights = np.array([cfg.manual.get(name, 1.0) for name in names])
    else:
        weights = np.ones_like(n)
    return np.where(there, np.minimum(weights, cfg.max_weight), 0.0).astype(np.float32)


class WeightedCrossEntropy(nn.Module):
    """Cross-entropy, weighted by class, over labelled pixels.

    The mean is over the weights of the pixels that count; a batch without any gives 0 (and no
    gradient) instead of NaN.

    Args:
        weights: float32 (K,).
    """

    weights: torch.Tensor

    def __init__(self, weights: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss of logits (B, K, H, W) for int64 targets (B, H, W), -1 ignored."""
        total, weight = self.sums(logits, target)
        return total / weight.clamp_min(torch.finfo(torch.float32).tiny)

    def sums(self, logits: torch.Tensor, target: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return numerator and denominator of the mean, so that batches add up exactly."""
        # One row a pixel: on a GPU the two-dimensional loss has no deterministic kernel.
        rows = logits.float().movedim(1, -1).reshape(-1, logits.shape[1])
        wanted = target.reshape(-1)
        total = functional.cross_entropy(
            rows, wanted, weight=self.weights, ignore_index=IGNORED, reduction="sum"
        )
        known = wanted != IGNORED
        weight = (self.weights[wanted.clamp_min(0)] * known).sum()
        return total, weight
