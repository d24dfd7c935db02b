"""Whitening: features turned and scaled so that all directions vary alike (Jégou and Chum 2012)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.retrieval.search import Features, check_features, normalized


@dataclass(frozen=True, eq=False)
class Whitening:
    """A principal component analysis that also divides by the standard deviations.

    Attributes:
        mean: float64 (dimensions,).
        matrix: float64 (dimensions, kept), applied to features minus their mean.
        explained: Share of the variance in the kept directions.
    """

    mean: NDArray[np.float64]
    matrix: NDArray[np.float64]
    explained: float

    def apply(self, features: NDArray[np.floating]) -> Features:
        """Return whitened features of unit length: float32 (images, kept).

        Raises:
            InputError: When features have other dimensions, or are not finite.
        """
        given = check_features(features, "features")
        if given.shape[1] != len(self.mean):
            problem = f"they have {given.shape[1]} dimensions, the whitening {len(self.mean)}"
            raise InputError("features", problem, "Extract both with the same model.")
        return normalized((given - self.mean) @ self.matrix)


def fit_whitening(
    features: NDArray[np.floating], dimensions: int | None = None, shrinkage: float = 0.01
) -> Whitening:
    """Fit a whitening, on features of the gallery or of training images; never on the queries.

    Args:
        features: (images, dimensions).
        dimensions: Directions to keep, those of the largest variance; by default all that the
            images can tell, at most one less than there are images.
        shrinkage: Share of the mean variance that is added to every direction before dividing, so
            that directions of little variance are not blown up to noise.

    Raises:
        InputError: When there are fewer than two images, or all are equal.
    """
    given = check_features(features, "features")
    mean = given.mean(axis=0, dtype=np.float64)
    centered = given - mean
    values, vectors = np.linalg.eigh(centered.T @ centered / max(len(given) - 1, 1))
    total = float(values.clip(min=0).sum())
    if len(given) < 2 or total <= 1e-12:
        remedy = "Fit the whitening on at least two different images."
        raise InputError("features", "they do not vary", remedy)
    most = min(len(values), len(given) - 1)
    kept = most if dimensions is None else min(dimensions, most)
    variance, vectors = values[::-1][:kept].clip(min=0), vectors[:, ::-1][:, :kept]
    scale = 1 / np.sqrt(variance + shrinkage * total / len(values) + 1e-12)
    return Whitening(mean, vectors * scale, float(variance.sum() / total))
