"""Decision forests as flat arrays, and their evaluation: no pickles, all cores, no GIL.

A forest of scikit-learn is laid out so that a node's left child follows it; a node is a feature, a
threshold and the number of its right child; a leaf is a row of a sparse table of class shares
(most leaves hold few classes).

Evaluation waits for memory and for mispredicted branches, hardly for arithmetic. So the four
numbers of a node lie together (one cache line instead of three), large blocks of pixels go through
tree after tree (a tree stays in the cache), and eight pixels walk in step without branches: a leaf
leads to itself until the deepest walk has ended. Values and thresholds are compared as integers of
the same order, which lets a node be four integers. Measured on 60,000 pixels, 30 trees of 11,500
nodes, one thread: 0.13 s, scikit-learn 0.33 s.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numba
import numpy as np

from nadir.errors import InputError

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

_BLOCK = 16_384
_STEP = 8
_HIGHEST = np.int32(2**31 - 1)
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
        out = np.empty((len(pixels), int(self.classes[0])), np.float32)
        before = numba.get_num_threads()
        numba.set_num_threads(max(1, min(threads, _MOST_THREADS)))
        try:
            _evaluate(
                _ordered(np.ascontiguousarray(pixels, np.float32)),
                self.roots,
                self._depths,
                self._nodes,
                self.leaf_start,
                self.leaf_class,
                self.leaf_share,
                out,
            )
        finally:
            numba.set_num_threads(before)
        return out

    @cached_property
    def _nodes(self) -> np.ndarray:
        """Nodes as int32 (nodes, 4): feature, threshold, right child or leaf, left or itself."""
        nodes = np.empty((len(self.feature), 4), np.int32)
        leaf = self.feature < 0
        number = np.arange(len(nodes), dtype=np.int32)
        nodes[:, 0] = np.where(leaf, 0, self.feature)
        nodes[:, 1] = np.where(leaf, _HIGHEST, _ordered(self.threshold))
        nodes[:, 2] = self.right
        nodes[:, 3] = np.where(leaf, number, number + 1)
        return nodes

    @cached_property
    def _depths(self) -> np.ndarray:
        """Longest walk of each tree, int32 (trees,)."""
        return _measure_depths(self.roots, self.feature, self.right)

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
            and (np.diff(self.roots) > 0).all()
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


def _ordered(values: np.ndarray) -> np.ndarray:
    """Return int32 that are ordered as the float32 values are (both zeros alike)."""
    bits = (values + np.float32(0)).view(np.int32)
    return np.where(bits < 0, bits ^ _HIGHEST, bits)


@numba.njit(nogil=True, cache=True)
def _measure_depths(roots: np.ndarray, feature: np.ndarray, right: np.ndarray) -> np.ndarray:
    depth = np.zeros(feature.size, np.int32)
    for node in range(feature.size):  # children come after their parents
        if feature[node] >= 0:
            depth[node + 1] = depth[node] + 1
            depth[right[node]] = depth[node] + 1
    found = np.zeros(roots.size, np.int32)
    for tree in range(roots.size):
        last = roots[tree + 1] if tree + 1 < roots.size else feature.size
        for node in range(roots[tree], last):
            found[tree] = max(found[tree], depth[node])
    return found


@numba.njit(nogil=True, inline="always")
def _next(nodes: np.ndarray, node: int, keys: np.ndarray, row: int) -> int:
    return nodes[node, 2] if keys[row, nodes[node, 0]] > nodes[node, 1] else nodes[node, 3]


@numba.njit(nogil=True, parallel=True, cache=True, boundscheck=False)
def _evaluate(
    keys: np.ndarray,
    roots: np.ndarray,
    depths: np.ndarray,
    nodes: np.ndarray,
    leaf_start: np.ndarray,
    leaf_class: np.ndarray,
    leaf_share: np.ndarray,
    out: np.ndarray,
) -> None:
    n, count, trees = keys.shape[0], out.shape[1], roots.shape[0]
    for block in numba.prange((n + _BLOCK - 1) // _BLOCK):
        first = block * _BLOCK
        last = min(n, first + _BLOCK)
        whole = first + (last - first) // _STEP * _STEP
        sums = np.zeros((last - first, count), np.float64)
        ends = np.empty(last - first, np.int32)
        for tree in range(trees):
            root = roots[tree]
            for r in range(first, whole, _STEP):
                a, b, c, d = root, root, root, root
                e, f, g, h = root, root, root, root
                for _ in range(depths[tree]):
                    a = _next(nodes, a, keys, r)
                    b = _next(nodes, b, keys, r + 1)
                    c = _next(nodes, c, keys, r + 2)
                    d = _next(nodes, d, keys, r + 3)
                    e = _next(nodes, e, keys, r + 4)
                    f = _next(nodes, f, keys, r + 5)
                    g = _next(nodes, g, keys, r + 6)
                    h = _next(nodes, h, keys, r + 7)
                at = r - first
                ends[at], ends[at + 1], ends[at + 2], ends[at + 3] = a, b, c, d
                ends[at + 4], ends[at + 5], ends[at + 6], ends[at + 7] = e, f, g, h
            for r in range(whole, last):
                node = root
                for _ in range(depths[tree]):
                    node = _next(nodes, node, keys, r)
                ends[r - first] = node
            for i in range(last - first):
                leaf = nodes[ends[i], 2]
                for entry in range(leaf_start[leaf], leaf_start[leaf + 1]):
                    sums[i, leaf_class[entry]] += leaf_share[entry]
        for i in range(last - first):
            for k in range(count):
                out[first + i, k] = sums[i, k] / trees
