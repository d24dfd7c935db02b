"""What a network minimizes, and how much each class and each pixel counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn

from nadir.config.experiments import LossConfig

IGNORED = -1
"""Target of pixels without a label."""

_TINY = torch.finfo(torch.float32).tiny
_FARTHEST = 127.0  # where stored distances are clipped, in pixels


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

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, distance: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the scalar loss; arguments as for `sums`."""
        total, weight = self.sums(logits, target, distance)
        return total / weight.clamp_min(_TINY)

    def sums(
        self, logits: torch.Tensor, target: torch.Tensor, distance: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return numerator and denominator of the loss, so that batches can be added up.

        The denominator is the weight of the pixels that count in cross-entropy.

        Args:
            logits: (B, K, H, W).
            target: int64 (B, H, W), id - 1; -1 is ignored.
            distance: float (B, H, W) signed distance to the nearest outline in pixels, positive in
                the last class; needed where `cfg.uses_outlines`.

        Raises:
            ValueError: When the distance is needed and not given.
        """
        if self.cfg.uses_outlines and distance is None:
            raise ValueError("this loss needs the distance to the outlines")
        terms = self.cfg.terms
        pixels = self._pixel_weights(distance) if self.cfg.border_weight else None
        total, weight = weighted_cross_entropy(logits, target, self.weights, pixels)
        mean = terms.get("cross_entropy", 0.0) * total / weight.clamp_min(_TINY)
        if terms.keys() == {"cross_entropy"}:
            return terms["cross_entropy"] * total, weight
        shares = logits.float().softmax(dim=1)
        if "dice" in terms:
            mean = mean + terms["dice"] * soft_dice_loss(shares, target)
        if "boundary" in terms and distance is not None:
            mean = mean + terms["boundary"] * boundary_loss(shares, target, distance)
        return mean * weight, weight

    def _pixel_weights(self, distance: torch.Tensor | None) -> torch.Tensor:
        """Return the weight of each pixel, float (B, H, W), by its distance to the outlines."""
        assert distance is not None
        away = (distance.abs() - 0.5).clamp_min(0) / self.cfg.border_width
        return 1 + self.cfg.border_weight * torch.exp(-0.5 * away.square())


def weighted_cross_entropy(
    logits: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor,
    pixels: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numerator and denominator of the weighted mean of cross-entropy.

    Args:
        logits: (B, K, H, W).
        target: int64 (B, H, W), -1 ignored.
        weights: (K,) weight of each class.
        pixels: (B, H, W) weight of each pixel; None for 1.
    """
    # One row a pixel: on a GPU the two-dimensional loss has no deterministic kernel.
    rows = logits.float().movedim(1, -1).reshape(-1, logits.shape[1])
    wanted = target.reshape(-1)
    counts = weights[wanted.clamp_min(0)] * (wanted != IGNORED)
    if pixels is None:
        total = functional.cross_entropy(
            rows, wanted, weight=weights, ignore_index=IGNORED, reduction="sum"
        )
        return total, counts.sum()
    each = functional.cross_entropy(
        rows, wanted, weight=weights, ignore_index=IGNORED, reduction="none"
    )
    by_pixel = pixels.reshape(-1)
    return (each * by_pixel).sum(), (counts * by_pixel).sum()


def soft_dice_loss(shares: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return one minus the soft Dice coefficient of a batch, mean over the classes that occur.

    V-Net (Milletari, Navab and Ahmadi 2016), without squares: 2 sum(p t) / (sum p + sum t) over all
    labelled pixels of the batch.

    Args:
        shares: float (B, K, H, W), probabilities.
        target: int64 (B, H, W), -1 ignored.
    """
    known = target != IGNORED
    truth = functional.one_hot(target.clamp_min(0), shares.shape[1]).movedim(-1, 1)
    truth = truth * known[:, None]
    axes = (0, 2, 3)
    there = truth.sum(axes).to(shares.dtype)
    both = (shares * truth).sum(axes)
    sizes = (shares * known[:, None]).sum(axes) + there
    losses = (1 - 2 * both / sizes.clamp_min(_TINY)) * (there > 0)
    return losses.sum() / (there > 0).sum().clamp_min(1)


def boundary_loss(
    shares: torch.Tensor, target: torch.Tensor, distance: torch.Tensor
) -> torch.Tensor:
    """Return how much probability lies on the wrong side of the outlines, weighted by distance.

    Kervadec et al. 2019: the mean over pixels of the probability of the last class times its signed
    distance outside of it. Here the mean for a perfect answer is taken off, so that it ends at 0
    as other terms do, and distances are in units of the farthest one that is stored.

    Args:
        shares: float (B, 2, H, W), probabilities.
        target: int64 (B, H, W), -1 ignored.
        distance: float (B, H, W) in pixels, positive inside of the last class.
    """
    known = target != IGNORED
    last = shares.shape[1] - 1
    wrong = torch.where(target == last, 1 - shares[:, last], shares[:, last])
    total = (wrong * distance.abs() / _FARTHEST * known).sum()
    return total / known.sum().clamp_min(1)
