"""An index over a large gallery: approximate search, by faiss."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.retrieval.search import Neighbors, check_features

IndexKind = Literal["flat", "ivf", "hnsw"]
"""`flat`: exact. `ivf`: lists around centers, a share of which is looked into. `hnsw`: a graph of
neighbors, the fastest, with the most memory.
"""

_LINKS = 32  # of each image in the graph
_TRAINING = 64  # images a list that find the centers


class GalleryIndex:
    """A gallery that is searched again and again, as a service does.

    Args:
        gallery: (images, dimensions) features, compared by dot product.
        kind: Kind of index.
        effort: Share of the lists (`ivf`) that a query looks into, or, for `hnsw`, how far it
            searches, 1 being 512 candidates. More is slower and finds more.

    Raises:
        InputError: When there are no features, or some are not finite.
    """

    def __init__(
        self, gallery: NDArray[np.floating], kind: IndexKind = "flat", effort: float = 0.125
    ) -> None:
        import faiss

        features = check_features(gallery, "gallery")
        images, dimensions = features.shape
        self.kind = kind
        self.images = images
        self._index: Any = faiss.IndexFlatIP(dimensions)
        if kind == "ivf":
            lists = max(1, round(np.sqrt(images)))
            self._index = faiss.IndexIVFFlat(
                self._index, dimensions, lists, faiss.METRIC_INNER_PRODUCT
            )
            self._index.cp.min_points_per_centroid = 1
            self._index.cp.max_points_per_centroid = _TRAINING
            self._index.nprobe = max(1, round(effort * lists))
            self._index.train(features)
        elif kind == "hnsw":
            self._index = faiss.IndexHNSWFlat(dimensions, _LINKS, faiss.METRIC_INNER_PRODUCT)
            self._index.hnsw.efSearch = max(16, round(512 * effort))
        self._index.add(features)

    def nearest(self, queries: NDArray[np.floating], count: int) -> Neighbors:
        """Return the best images for each query; of equal scores, the first of the gallery.

        Args:
            queries: (queries, dimensions).
            count: How many; a smaller gallery is returned whole.

        Raises:
            InputError: When dimensions differ from the gallery's.
        """
        wanted = check_features(queries, "queries")
        if wanted.shape[1] != self._index.d:
            problem = (
                f"its features have {wanted.shape[1]} dimensions, the gallery's {self._index.d}"
            )
            raise InputError("queries", problem, "Extract both with the same model.")
        score, index = self._index.search(wanted, min(count, self.images))
        last = np.where(index < 0, self.images, index)
        order = np.lexsort((last, -score), axis=1)
        return Neighbors(
            np.take_along_axis(index, order, 1).astype(np.int64),
            np.take_along_axis(score, order, 1),
        )
