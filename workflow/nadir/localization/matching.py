"""Nearest features by descriptor, among hundreds of thousands."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.localization.features import Features

_KD_TREE = 1  # FLANN's number of the algorithm

# FLANN draws from the process-wide generator of OpenCV: seeding and building are one step.
_BUILDING = threading.Lock()


@dataclass(frozen=True)
class Matches:
    """Pairs of features, sorted by query and then by distance.

    Attributes:
        query: (n,) int64: features asked for.
        train: (n,) int64: features of the index.
        ratio: (n,) float32, 0 to 1: distance relative to that of the first neighbor not listed;
            small where a match stands out.
    """

    query: NDArray[np.int64]
    train: NDArray[np.int64]
    ratio: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.query)

    def take(self, index: NDArray[Any]) -> Matches:
        """Return the matches that an index or a boolean mask (n,) selects."""
        return Matches(self.query[index], self.train[index], self.ratio[index])


class FeatureIndex:
    """Searches features by a forest of randomized k-d trees.

    After Muja and Lowe, "Fast approximate nearest neighbors with automatic algorithm
    configuration" (VISAPP 2009), in OpenCV's FLANN. The trees are drawn from a seeded generator:
    two indices of the same features give the same matches.

    Args:
        features: What is searched; two or more.
        trees: Trees of the forest.
        checks: Leaves that a search looks at: more is slower and misses less.
        seed: Seed of the trees.

    Raises:
        ValueError: When there are fewer than two features.
    """

    def __init__(
        self, features: Features, trees: int = 4, checks: int = 100, seed: int = 0
    ) -> None:
        if len(features) < 2:
            raise ValueError(f"{len(features)} features cannot be searched for two neighbors")
        self.features = features
        self._checks = checks
        # FLANN keeps a reference to the array, and knows distances of floats only.
        self._descriptors = features.descriptors.astype(np.float32)
        with _BUILDING:
            cv2.setRNGSeed(seed)
            self._index = cv2.flann.Index(
                self._descriptors, {"algorithm": _KD_TREE, "trees": trees}
            )

    def match(self, features: Features, k: int = 2) -> Matches:
        """Return the nearest features of the index.

        Args:
            features: (n) features to look for.
            k: Neighbors that are searched: the nearest k - 1 are returned, relative to the last.
        """
        k = min(k, len(self.features))
        if not len(features):
            nothing = np.empty(0, np.int64)
            return Matches(nothing, nothing, np.empty(0, np.float32))
        asked = features.descriptors.astype(np.float32)
        found, squares = self._index.knnSearch(asked, k, params={"checks": self._checks})
        distances = np.sqrt(squares)
        ratio = distances[:, :-1] / np.maximum(distances[:, -1:], 1e-6)
        query = np.repeat(np.arange(len(features)), k - 1)
        train = found[:, :-1].reshape(-1).astype(np.int64)
        known = train >= 0  # FLANN gives -1 where it ran out of leaves
        return Matches(query, train, ratio.reshape(-1).astype(np.float32)).take(known)
