"""How alike a generated view and the photo of its place are, pixel by pixel.

Both figures reward blur where what a place looks like is not certain: they are told because
everybody tells them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

_BATCH = 64
PEAK = 60.0
"""Most decibels of a peak signal-to-noise ratio: equal pictures would have infinitely many."""


def structural_similarity(
    one: NDArray[np.uint8], other: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """Return the structural similarity (SSIM; Wang et al. 2004) of pictures, -1..1, (n,).

    With the usual Gaussian window of 11 pixels and sigma 1.5, mean of the three channels.

    Args:
        one: uint8 (n, 3, height, width), sides of at least 11 pixels.
        other: The same shape.
    """
    found = [
        structural_similarity_index_measure(
            _values(one[part]), _values(other[part]), data_range=1.0, reduction="none"
        )
        for part in _parts(len(one))
    ]
    return _joined(found)


def signal_to_noise(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the peak signal-to-noise ratio (PSNR) of pictures in decibels, at most `PEAK`, (n,).

    Args:
        one: uint8 (n, 3, height, width).
        other: The same shape.
    """
    found = [
        peak_signal_noise_ratio(
            _values(one[part]),
            _values(other[part]),
            data_range=1.0,
            reduction="none",
            dim=(1, 2, 3),
        )
        for part in _parts(len(one))
    ]
    return np.minimum(_joined(found), PEAK)


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]


def _values(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pictures).float() / 255


def _joined(found: list[torch.Tensor]) -> NDArray[np.float64]:
    return torch.cat([values.reshape(-1) for values in found]).double().numpy()
