"""From raw integers to what a model sees, in one place for training and for inference.

A model sees (reflectance - mean) / std per date and band, and 0 where a date is invalid, where
reflectance = scale * (raw + offset). Both steps are affine, so they are done as one:
raw * gain + bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FLAT = 1e-12


@dataclass(frozen=True)
class Statistics:
    """Per date and band statistics of reflectance over the training tiles.

    Attributes:
        mean: float64 (date, band).
        std: float64 (date, band).
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, mean: Sequence[Sequence[float]], std: Sequence[Sequence[float]]) -> Statistics:
        """Return statistics from nested lists, date by date."""
        return cls(np.asarray(mean, np.float64), np.asarray(std, np.float64))

    @property
    def channels(self) -> int:
        """Number of channels of a model's input: dates times bands."""
        return self.mean.size


def gain_and_bias(
    statistics: Statistics, scale: Sequence[float], offset: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 (date, band) gain and bias with normalized = raw * gain + bias.

    Args:
        statistics: Of the training tiles.
        scale: Of the image, by date.
        offset: Of the image, by date, in raw units.

    A band that was constant over all training tiles says nothing: its gain and bias are 0.
    """
    scale_ = np.asarray(scale, np.float64).reshape(-1, 1)
    offset_ = np.asarray(offset, np.float64).reshape(-1, 1)
    flat = statistics.std < _FLAT
    std = np.where(flat, 1.0, statistics.std)
    gain = np.where(flat, 0.0, scale_ / std)
    bias = np.where(flat, 0.0, (scale_ * offset_ - statistics.mean) / std)
    return gain.astype(np.float32), bias.astype(np.float32)


def normalize(raw: np.ndarray, valid: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return float32 (n, date * band, h, w) from raw integers.

    Args:
        raw: (n, date, band, h, w), any integer type.
        valid: bool (n, date, h, w).
        gain: float32 (date, band), of `gain_and_bias`.
        bias: float32 (date, band).
    """
    from nadir.segmentation.normalize_kernel import normalize_into

    n, dates, bands, height, width = raw.shape
    values = np.empty((n, dates, bands, height, width), np.float32)
    normalize_into(values, np.ascontiguousarray(raw), np.ascontiguousarray(valid), gain, bias)
    return values.reshape(n, dates * bands, height, width)
