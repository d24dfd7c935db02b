"""The terms of a loss, each a function of probabilities and truth.

Truth is hard (one class a pixel) or soft (the share of each class in it). On hard truth both forms
of a term agree. Weights mean the same in all of them: a pixel that weighs n counts as n such pixels
would, one that weighs 0 is left out. Classes weigh in the mean over pixels by the class of each, in
the mean over classes by themselves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional

IGNORED = -1
"""Target of pixels without a label."""

TINY = torch.finfo(torch.float32).tiny
"""What keeps a denominator from zero."""

_FARTHEST = 127.0  # where stored distances are clipped, in pixels


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


def soft_dice_loss(
    shares: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor | None = None,
    pixels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return one minus the soft Dice coefficient of a batch, mean over the classes that occur.

    V-Net (Milletari, Navab and Ahmadi 2016), without squares: 2 sum(p t) / (sum p + sum t) over all
    labelled pixels of the batch.

    Args:
        shares: float (B, K, H, W), probabilities.
        target: int64 (B, H, W), -1 ignored.
        weights: (K,) weight of each class in the mean over classes; None for 1.
        pixels: (B, H, W) weight of each pixel; None for 1.
    """
    counts = _counts(shares, target, pixels)[:, None]
    truth = functional.one_hot(target.clamp_min(0), shares.shape[1]).movedim(-1, 1) * counts
    axes = (0, 2, 3)
    there = truth.sum(axes)
    both = (shares * truth).sum(axes)
    sizes = (shares * counts).sum(axes) + there
    return _mean_of_classes(1 - 2 * both / sizes.clamp_min(TINY), there, weights)


def _counts(
    shares: torch.Tensor, target: torch.Tensor, pixels: torch.Tensor | None
) -> torch.Tensor:
    """Return what each pixel counts, (B, H, W) of the type of `shares`: 0 without a label."""
    known = (target != IGNORED).to(shares.dtype)
    return known if pixels is None else known * pixels


def _mean_of_classes(
    losses: torch.Tensor, there: torch.Tensor, weights: torch.Tensor | None
) -> torch.Tensor:
    """Return the weighted mean of (K,) over the classes with `there` above 0; 0 without any."""
    counts = (there > 0).to(losses.dtype)
    if weights is not None:
        counts = counts * weights
    return (losses * counts).sum() / counts.sum().clamp_min(TINY)


def boundary_loss(
    shares: torch.Tensor,
    target: torch.Tensor,
    distance: torch.Tensor,
    weights: torch.Tensor | None = None,
    pixels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return how much probability lies on the wrong side of the outlines, weighted by distance.

    Kervadec et al. 2019: the mean over pixels of the probability of the last class times its signed
    distance outside of it. Here the mean for a perfect answer is taken off, so that it ends at 0
    as other terms do, and distances are in units of the farthest one that is stored.

    Args:
        shares: float (B, 2, H, W), probabilities.
        target: int64 (B, H, W), -1 ignored.
        distance: float (B, H, W) in pixels, positive inside of the last class.
        weights: (K,) weight of the pixels of each class; None for 1.
        pixels: (B, H, W) weight of each pixel; None for 1.
    """
    counts = _counts(shares, target, pixels)
    if weights is not None:
        counts = counts * weights[target.clamp_min(0)]
    last = shares.shape[1] - 1
    wrong = torch.where(target == last, 1 - shares[:, last], shares[:, last])
    total = (wrong * distance.abs() / _FARTHEST * counts).sum()
    return total / counts.sum().clamp_min(TINY)


def shared_cross_entropy(
    logits: torch.Tensor,
    truth: torch.Tensor,
    weights: torch.Tensor,
    pixels: torch.Tensor | None = None,
    gamma: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numerator and denominator of the weighted mean of cross-entropy for soft truth.

    Each part of a pixel counts as a pixel of its class would: the same as cross-entropy over all
    pixels of the fine mask, were they all predicted as the coarse one is. With `gamma` the focal
    loss (Lin et al. 2017): each part also counts (1 - p)^gamma.

    Args:
        logits: (B, K, H, W).
        truth: float (B, K, H, W), share of each class; the sum over classes is the share of the
            pixel that has a label.
        weights: (K,) weight of each class.
        pixels: (B, H, W) weight of each pixel; None for 1.
        gamma: Exponent of the focal loss; 0 for cross-entropy.
    """
    surprise = -functional.log_softmax(logits.float(), dim=1)
    counts = truth * weights[:, None, None]
    if pixels is not None:
        counts = counts * pixels[:, None]
    if gamma:
        # Where p is 1, the gradient of a power below 1 would be infinite.
        doubt = (1 - torch.exp(-surprise)).clamp_min(1e-6)
        surprise = surprise * doubt**gamma
    return (counts * surprise).sum(), counts.sum()


def shared_overlap_loss(
    shares: torch.Tensor,
    truth: torch.Tensor,
    weights: torch.Tensor | None = None,
    pixels: torch.Tensor | None = None,
    *,
    union: bool = False,
) -> torch.Tensor:
    """Return one minus the Dice coefficient (or the IoU) of a batch for soft truth.

    Wang, Ning and Blaschko 2023 (Dice semimetric and Jaccard metric losses): with sizes P and T of
    prediction and truth and their absolute difference D, (P + T - D) / (P + T), for the IoU
    (P + T - D) / (P + T + D). Unlike products of shares, it is least where both are equal. Mean
    over the classes that occur.

    Args:
        shares: float (B, K, H, W), probabilities.
        truth: As for `shared_cross_entropy`.
        weights: (K,) weight of each class in the mean over classes; None for 1.
        pixels: (B, H, W) weight of each pixel; None for 1.
        union: Whether the IoU is asked for.
    """
    if pixels is not None:
        truth = truth * pixels[:, None]  # and with it what is shown there
    shown = shares * truth.sum(dim=1, keepdim=True)
    axes = (0, 2, 3)
    there = truth.sum(axes)
    sizes = shown.sum(axes) + there
    apart = (shown - truth).abs().sum(axes)
    whole = sizes + apart if union else sizes
    losses = 1 - (sizes - apart) / whole.clamp_min(TINY)
    return _mean_of_classes(losses, there, weights)


def lovasz_loss(
    shares: torch.Tensor,
    target: torch.Tensor,
    weights: torch.Tensor | None = None,
    pixels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the Lovasz-softmax loss of a batch, mean over the classes that occur.

    Berman, Triki and Blaschko 2018: for each class, errors in descending order, each weighted by
    what it adds to one minus the IoU. Pixels that weigh more than others add more to both areas of
    the IoU, which stays submodular: it is that of as many pixels as they count for.

    Args:
        shares: float (B, K, H, W), probabilities.
        target: int64 (B, H, W), -1 ignored.
        weights: (K,) weight of each class in the mean over classes; None for 1.
        pixels: (B, H, W) weight of each pixel; None for 1.
    """
    known = (target != IGNORED).reshape(-1)
    counts = _counts(shares, target, pixels).reshape(-1)
    total, classes = shares.new_zeros(()), shares.new_zeros(())
    for number in range(shares.shape[1]):
        truth = (target == number).reshape(-1).to(shares.dtype)
        # Pixels without a label have no error: they come last, and weigh nothing.
        errors = (truth - shares[:, number].reshape(-1)).abs() * known
        errors, order = torch.sort(errors, descending=True, stable=True)
        ordered, areas = truth[order], counts[order]
        size = (ordered * areas).sum()
        inside = size - (ordered * areas).cumsum(0)
        outside = size + ((1 - ordered) * areas).cumsum(0)
        lost = 1 - inside / outside.clamp_min(TINY)
        step = torch.cat([lost[:1], lost[1:] - lost[:-1]])
        there = (size > 0).to(shares.dtype)
        if weights is not None:
            there = there * weights[number]
        total = total + there * (errors * step).sum()
        classes = classes + there
    return total / classes.clamp_min(TINY)


def at_edges(target: torch.Tensor) -> torch.Tensor:
    """Return which pixels have a neighbor of another class, bool (B, H, W), among eight.

    Args:
        target: int64 (B, H, W), -1 where there is no label: that is no class.
    """
    known = target != IGNORED
    values = target[:, None].float()
    highest = functional.max_pool2d(values, 3, 1, 1)
    lowest = -functional.max_pool2d(
        torch.where(known[:, None], -values, torch.full_like(values, -torch.inf)), 3, 1, 1
    )
    return (highest > lowest)[:, 0] & known
