"""How alike two sets of pictures are, by features: Frechet distance, fidelity and diversity.

None of these is the "FID" of papers unless the features are those of its Inception network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

Features = NDArray[np.floating]
"""(pictures, dimensions)."""


def frechet_distance(one: Features, other: Features) -> float:
    """Return the Frechet distance between normal distributions fitted to two sets.

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) (Dowson and Landau 1982; Heusel et al. 2017), with
    unbiased covariances. tr (C1 C2)^(1/2) is the sum of the singular values of A B^T, where
    C1 = A^T A and C2 = B^T B: exact also where there are fewer pictures than dimensions, where a
    matrix root would be ill-conditioned.

    Raises:
        ValueError: When a set has fewer than two pictures.
    """
    if min(len(one), len(other)) < 2:
        raise ValueError("a covariance needs at least two pictures")
    first, second = np.asarray(one, np.float64), np.asarray(other, np.float64)
    shift = first.mean(axis=0) - second.mean(axis=0)
    factors = [_factor(features) for features in (first, second)]
    traces = sum(float((factor**2).sum()) for factor in factors)
    root = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return max(0.0, float(shift @ shift + traces - 2 * root))


def _factor(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return A with A^T A the covariance, of no more rows than pictures or dimensions."""
    centered = (features - features.mean(axis=0)) / np.sqrt(len(features) - 1)
    if len(centered) <= centered.shape[1]:
        return centered
    return np.asarray(np.linalg.qr(centered, mode="r"))


@dataclass(frozen=True)
class Overlap:
    """How far two sets of pictures cover each other, each figure 0..1 but density.

    Attributes:
        precision: Generated pictures that lie in the region of real ones (Kynkaanniemi 2019).
        recall: Real pictures that lie in the region of generated ones.
        density: In how many real pictures' regions a generated one lies, over `neighbors`: 1 for
            equal distributions, more where few modes are hit often (Naeem et al. 2020).
        coverage: Real pictures in whose region a generated one lies.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def overlap(real: Features, generated: Features, neighbors: int) -> Overlap:
    """Return precision, recall, density and coverage.

    The region of a picture is the ball that reaches to its k-th nearest neighbor in its own set.

    Args:
        real: Features of real pictures.
        generated: Features of generated pictures.
        neighbors: k; fewer where a set is smaller.

    Raises:
        ValueError: When a set has fewer than two pictures.
    """
    if min(len(real), len(generated)) < 2:
        raise ValueError("a neighborhood needs at least two pictures")
    k = min(neighbors, len(real) - 1, len(generated) - 1)
    between = cdist(real, generated)
    inside = between <= _radii(real, k)[:, None]
    return Overlap(
        precision=float(inside.any(axis=0).mean()),
        recall=float((between <= _radii(generated, k)[None, :]).any(axis=1).mean()),
        density=float(inside.sum(axis=0).mean() / k),
        coverage=float(inside.any(axis=1).mean()),
    )


def _radii(features: Features, k: int) -> NDArray[np.float64]:
    """Return the distance of each picture to its k-th nearest other one."""
    # The nearest is the picture itself, at distance zero.
    return np.partition(cdist(features, features), k, axis=1)[:, k]


def nearest_distances(features: Features, known: Features) -> NDArray[np.float64]:
    """Return the distance of each picture to the nearest of others, float64 (n,)."""
    return cdist(features, known).min(axis=1)


def mean_pairwise(groups: Features) -> NDArray[np.float64]:
    """Return the mean distance between members of each group.

    Args:
        groups: (groups, members, dimensions).

    Returns:
        float64 (groups,); NaN for groups of one.
    """
    members = groups.shape[1]
    if members < 2:
        return np.full(len(groups), np.nan)
    gaps = np.linalg.norm(np.asarray(groups, np.float64)[:, :, None] - groups[:, None], axis=-1)
    return gaps.sum(axis=(1, 2)) / (members * (members - 1))
