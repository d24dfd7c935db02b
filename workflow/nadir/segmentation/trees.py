"""Decision forests as flat arrays, and their evaluation: no pickles, all cores, no GIL.

A forest of scikit-learn is laid out so that a node's left child follows it; a node is a feature, a
threshold and the number of its right child; a leaf is a row of a sparse table of class shares
(most leaves hold few classes). Blocks of pixels go through tree after tree, so that a tree's upper
nodes stay in the cache.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numba
import numpy as np

from nadir.errors import InputError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

_BLOCK = 1024
_MOST_THREADS = numba.get_num_threads()  # before anyone lowers it
_NAMES = (
    "roots",
    "feature",
    "threshold",
    "right",
    "leaf_start",
    "leaf_class",
    "leaf_share",
    "classes",
)
_AGAIN = "Train the forest again, or restore the file from where it was trained."


@dataclass(frozen=True)
class Trees:
    """A forest.

    Attributes:
        roots: int32 (trees,), node number of each root.
        feature: int16 (nodes,), the feature that a node looks at, -1 for a leaf.
        threshold: float32 (nodes,): left when value <= threshold.
        right: int32 (nodes,), right child; for a leaf, its number in the leaves' table.
        leaf_start: int32 (leaves + 1,), where a leaf's entries start.
        leaf_class: uint8 (entries,), a class 0..K-1.
        leaf_share: float64 (entries,), its share in the leaf.
        classes: int32 (1,), number of classes K.
    """

    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    right: np.ndarray
    leaf_start: np.ndarray
    leaf_class: np.ndarray
    leaf_share: np.ndarray
    classes: np.ndarray

    @classmethod
    def of(cls, path: str | os.PathLike[str], tensors: dict[str, np.ndarray]) -> Trees:
        """Return the forest in a bundle's tensors.

        Raises:
            InputError: When they are no forest, or one that would be read out of bounds.
        """
        if set(tensors) != set(_NAMES):
            raise InputError(
                path, "these are the weights of another model, not of a forest", _AGAIN
            )
        trees = cls(**tensors)
        if not trees._sound():
            raise InputError(
                path, "this forest is damaged: a node or a leaf points nowhere", _AGAIN
            )
        return trees

    @classmethod
    def from_sklearn(cls, forest: RandomForestClassifier, count: int) -> Trees:
        """Return scikit-learn's forest laid out flat.

        Args:
            forest: Fitted; its classes are a subset of 0..count-1.
            count: Number of classes K.
        """
        roots, feature, threshold, right = [], [], [], []
        starts, names, shares = [np.zeros(1, np.int64)], [], []
        nodes = leaves = entries = 0
        classes = np.asarray(forest.classes_, np.int64)
        for estimator in forest.estimators_:
            tree = estimator.tree_
            is_leaf = tree.children_left < 0
            inner = np.flatnonzero(~is_leaf)
            if not np.array_equal(tree.children_left[inner], inner + 1):
                raise ValueError("a left child does not follow its parent")
            value = tree.value[is_leaf, 0, :]
            value = value / value.sum(axis=1, keepdims=True)
            rows, columns = np.nonzero(value)
            child = np.where(is_leaf, np.cumsum(is_leaf) - 1 + leaves, tree.children_right + nodes)
            roots.append(nodes)
            feature.append(np.where(is_leaf, -1, tree.feature).astype(np.int16))
            threshold.append(_floor32(np.where(is_leaf, 0.0, tree.threshold)))
            right.append(child.astype(np.int32))
            starts.append(entries + np.cumsum(np.bincount(rows, minlength=len(value))))
            names.append(classes[columns].astype(np.uint8))
            shares.append(value[rows, columns])
            nodes += tree.node_count
            leaves += len(value)
            entries += len(rows)
        return cls(
            np.array(roots, np.int32),
            np.concatenate(feature),
            np.concatenate(threshold),
            np.concatenate(right),
            np.concatenate(starts).astype(np.int32),
            np.concatenate(names),
            np.concatenate(shares),
            np.array([count], np.int32),
        )

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, for a bundle."""
        return {name: getattr(self, name) for name in _NAMES}

    def predict(self, pixels: np.ndarray, threads: int = 1) -> np.ndarray:
        """Return class probabilities, the mean over trees of the leaves' shares.

        Args:
            pixels: float32 (n, features), contiguous.
            threads: CPU threads.

        Returns:
            float32 (n, K); equal to scikit-learn's `predict_proba` to rounding.
        """
        count = int(self.classes[0])
        out = np.empty((len(pixels), count), np.float32)
        before = numba.get_num_threads()
        numba.set_num_threads(max(1, min(threads, _MOST_THREADS)))
        try:
            _evaluate(
                np.ascontiguousarray(pixels, np.float32),
                *(getattr(self, name) for name in _NAMES[:-1]),
                out,
            )
        finally:
            numba.set_num_threads(before)
        return out

    def _sound(self) -> bool:
        """Whether every pointer leads into the arrays, and every walk ends."""
        nodes, leaves = len(self.feature), len(self.leaf_start) - 1
        if not (
            len(self.threshold) == len(self.right) == nodes and nodes and leaves and len(self.roots)
        ):
            return False
        leaf = self.feature < 0
        number = np.arange(nodes)
        ends = self.leaf_start
        return bool(
            (self.right[leaf] >= 0).all()
            and (self.right[leaf] < leaves).all()
            and (self.right[~leaf] > number[~leaf]).all()
            and (self.right[~leaf] < nodes).all()
            and leaf[-1]
            and (self.roots >= 0).all()
            and (self.roots < nodes).all()
            and ends[0] == 0
            and (np.diff(ends) >= 0).all()
            and ends[-1] == len(self.leaf_class) == len(self.leaf_share)
            and self.classes.shape == (1,)
            and (self.leaf_class < self.classes[0]).all()
        )


def _floor32(threshold: np.ndarray) -> np.ndarray:
    """Return the largest float32 not above each float64: a float32 compares alike with both."""
    single = threshold.astype(np.float32)
    above = single.astype(np.float64) > threshold
    return np.where(above, np.nextafter(single, np.float32(-np.inf)), single).astype(np.float32)


@numba.njit(nogil=True, parallel=True, cache=True, boundscheck=False)
def _evaluate(pixels, roots, feature, threshold, right, leaf_start, leaf_class, leaf_share, out):
    n = pixels.shape[0]
    count = out.shape[1]
    trees = roots.shape[0]
    for block in numba.prange((n + _BLOCK - 1) // _BLOCK):
        first = block * _BLOCK
        last = min(n, first + _BLOCK)
        sums = np.zeros((last - first, count), np.float64)
        for tree in range(trees):
            root = roots[tree]
            for i in range(first, last):
                node = root
                what = feature[node]
                while what >= 0:
                    node = node + 1 if pixels[i, what] <= threshold[node] else right[node]
                    what = feature[node]
                leaf = right[node]
                for entry in range(leaf_start[leaf], leaf_start[leaf + 1]):
                    sums[i - first, leaf_class[entry]] += leaf_share[entry]
        for i in range(first, last):
            for k in range(count):
                out[i, k] = sums[i - first, k] / trees
