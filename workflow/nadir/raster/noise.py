"""Smooth random fields, drawn from a generator: clouds, fog, uneven light."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray


def smooth_noise(
    random: Generator, shape: tuple[int, int], coarsest: int, octaves: int
) -> NDArray[np.float32]:
    """Return float32 fractal noise of a shape, zero mean and unit variance.

    Args:
        random: Source of randomness.
        shape: Rows and columns. Swellings are round only where both are equal.
        coarsest: Lattice cells along a side in the first octave.
        octaves: Each has twice the cells and 0.55 of the height of the last.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = min(coarsest * 2**octave, max(shape))
        lattice = random.standard_normal((cells + 1, cells + 1)).astype(np.float32)
        total += 0.55**octave * cv2.resize(lattice, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (total - total.mean()) / (total.std() + 1e-6)
