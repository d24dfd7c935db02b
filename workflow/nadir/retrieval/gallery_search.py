"""Searching a gallery with single pictures, as the batch rule ranks them."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.retrieval.extraction import Embedder, load_embedder
from nadir.retrieval.gallery import MODEL, REMEDY, Gallery, read_gallery
from nadir.retrieval.indexed import GalleryIndex, IndexKind
from nadir.retrieval.pictures import square
from nadir.retrieval.saliency import occlusion

_SPARE = 32
"""Images beyond those asked for that are looked at, so that of equal scores the first are kept."""


class Retriever:
    """A gallery with its network and an index for each view.

    Args:
        gallery: The gallery.
        embedder: Its network.
        kind: Kind of index; only `flat` answers as the batch rule does, the others approximately.

    Attributes:
        gallery: The gallery.
        embedder: Its network.

    Raises:
        InputError: When the network does not fit the gallery.
    """

    def __init__(self, gallery: Gallery, embedder: Embedder, kind: IndexKind = "flat") -> None:
        if set(embedder.views) != set(gallery.facts.views):
            problem = f"its views are {', '.join(gallery.facts.views)}, not those of its model"
            raise InputError(gallery.folder, problem, REMEDY)
        self.gallery, self.embedder = gallery, embedder
        blank = np.zeros((embedder.side, embedder.side, 3), np.uint8)
        found = self.features([blank], gallery.facts.views[0]).shape[1]  # the first call is slow
        if found != gallery.features.shape[1]:
            problem = f"its features have {gallery.features.shape[1]} numbers, its model's {found}"
            raise InputError(gallery.folder, problem, REMEDY)
        self._rows = {view: gallery.rows(view) for view in gallery.facts.views}
        self._indices = {
            view: GalleryIndex(gallery.features[rows], kind)
            for view, rows in self._rows.items()
            if len(rows)
        }

    @property
    def name(self) -> str:
        """Name of the gallery."""
        return self.gallery.facts.name

    @property
    def views(self) -> list[str]:
        """Views of pictures that can be asked with: the other one has a gallery."""
        return [view for view in self.gallery.facts.views if self.other(view) in self._indices]

    def other(self, view: str) -> str:
        """Return the view that is searched for a picture of a view."""
        one, two = self.gallery.facts.views
        return two if view == one else one

    def prepare(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return a picture as the network sees it: uint8 (side, side, 3)."""
        return square(picture, self.embedder.side)

    def features(self, pictures: Sequence[NDArray[np.uint8]], view: str) -> NDArray[np.float32]:
        """Return the features of pictures of a view: float32 (pictures, dimensions)."""
        return self.embedder.features(pictures, view, flip=self.gallery.facts.flip)

    def search(
        self, feature: NDArray[np.float32], view: str, count: int
    ) -> list[tuple[int, float]]:
        """Return the best images of the other view for a picture, best first.

        Args:
            feature: float32 (dimensions,), of a picture.
            view: Its view, one of `views`.
            count: How many; a smaller gallery is returned whole.

        Returns:
            (row of the gallery's table, score) each.
        """
        other = self.other(view)
        found = self._indices[other].nearest(feature[None], count + _SPARE)
        index, score = found.index[0, :count], found.score[0, :count]
        there = index >= 0  # an approximate index may find fewer than were asked for
        rows = self._rows[other][index[there]]
        return list(zip(rows.tolist(), score[there].astype(float).tolist(), strict=True))

    def saliency(self, picture: NDArray[np.uint8], view: str, row: int) -> NDArray[np.float32]:
        """Return where a picture speaks for an image of the gallery; see `saliency.occlusion`."""
        return occlusion(self.embedder, picture, view, self.gallery.features[row])


def load_retriever(
    folder: str | os.PathLike[str],
    device: torch.device | str = "cpu",
    threads: int = 1,
    kind: IndexKind = "flat",
) -> Retriever:
    """Open a gallery.

    Args:
        folder: Its folder.
        device: Where its network computes.
        threads: CPU threads.
        kind: As for `Retriever`.

    Raises:
        InputError: When it is no gallery, damaged, or of another model.
    """
    torch.set_num_threads(threads)
    gallery = read_gallery(folder)
    return Retriever(gallery, load_embedder(gallery.folder / MODEL, torch.device(device)), kind)
