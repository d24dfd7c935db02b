"""Latents: the noise of a view is a function of seed, place and sample alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_TAG = 9503


def draw_latents(
    seed: int, places: Iterable[int], samples: Iterable[int], size: int
) -> NDArray[np.float32]:
    """Return standard normal latents, float32 (places, samples, size).

    Args:
        seed: The seed.
        places: Numbers of places.
        samples: Numbers of samples, the same for each place.
        size: Numbers of a latent.
    """
    samples = list(samples)
    drawn = [
        [
            np.random.default_rng([seed, _TAG, place, sample]).standard_normal(size, np.float32)
            for sample in samples
        ]
        for place in places
    ]
    return np.array(drawn, np.float32).reshape(len(drawn), len(samples), size)


def walk_latents(
    start: NDArray[np.float32], end: NDArray[np.float32], steps: int
) -> NDArray[np.float32]:
    """Return latents on the way from one to another, float32 (steps, size).

    On the sphere, not through its middle: a mean of normal vectors is shorter than they are
    (spherical interpolation, Shoemake 1985).
    """
    one, other = start / np.linalg.norm(start), end / np.linalg.norm(end)
    angle = float(np.arccos(np.clip(one @ other, -1.0, 1.0)))
    at = np.linspace(0.0, 1.0, steps)[:, None]
    if np.sin(angle) < 1e-6:
        return ((1 - at) * start + at * end).astype(np.float32)
    weights = np.sin((1 - at) * angle), np.sin(at * angle)
    return ((weights[0] * start + weights[1] * end) / np.sin(angle)).astype(np.float32)
