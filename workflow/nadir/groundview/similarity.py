"""How alike a generated view and the photo of its place are, pixel by pixel.

Both figures reward blur where what a place looks like is not certain: they are told because
everybody tells them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.groundview.image_losses import mse, ssim

_BATCH = 64
PEAK = 60.0
"""Most decibels of a peak signal-to-noise ratio: equal pictures would have infinitely many."""


def structural_similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the structural similarity (SSIM; Wang et al. 2004) of pictures, -1..1, (n,).

    With the usual Gaussian window of 11 pixels and sigma 1.5, over windows that lie inside, mean
    of the three channels. (Other programs mirror pictures at their borders.)

    Args:
        one: uint8 (n, 3, height, width).
        other: The same shape.
    """
    found = [1 - ssim(_values(one[part]), _values(other[part])) for part in _parts(len(one))]
    return torch.cat(found).numpy()


def signal_to_noise(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the peak signal-to-noise ratio (PSNR) of pictures in decibels, at most `PEAK`, (n,).

    Args:
        one: uint8 (n, 3, height, width).
        other: The same shape.
    """
    found = [mse(_values(one[part]), _values(other[part])) for part in _parts(len(one))]
    return np.asarray(-10 * np.log10(np.maximum(torch.cat(found).numpy(), 10 ** (-PEAK / 10))))


def _parts(count: int) -> list[slice]:
    return [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]


def _values(pictures: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(pictures).double() / 255
