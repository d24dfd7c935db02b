"""Galleries as a service offers them: loaded, searched in shared calls, with small pictures."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nadir.errors import InputError
from nadir.service.batching import Batcher
from nadir.service.found import FoundImage, GalleryAnswer, Point, RetrieveAnswer
from nadir.service.photos import open_photo
from nadir.service.pyramid import encode_png

if TYPE_CHECKING:
    import torch

    from nadir.retrieval.gallery_search import Retriever
    from nadir.retrieval.indexed import IndexKind

THUMBNAIL = 192
"""Longest side of a small picture, in pixels."""

_PLACES = 2000
_LONGEST = 384  # of a picture of what speaks for a pair, in pixels
_FOR, _AGAINST = (200, 35, 30), (40, 90, 190)  # colors of saliency
_STRENGTH = 0.85


class Describer:
    """The network for one view, in the form of a model that `Batcher` shares among requests.

    Args:
        retriever: Gallery and network.
        view: The view.
    """

    def __init__(self, retriever: Retriever, view: str) -> None:
        self.retriever, self.view = retriever, view
        # As for segmentation: on the CPU more at a time gain nothing, and wait longer.
        self.size = 1 if retriever.embedder.device.type == "cpu" else 8

    def features(
        self,
        raw: NDArray[np.uint8],
        valid: NDArray[np.bool_],
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> NDArray[np.float32]:
        """Return the features of prepared pictures (n, side, side, 3); the rest is not needed."""
        return self.retriever.features(list(raw), self.view)

    def ask(self, batcher: Batcher, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the feature of a picture: float32 (dimensions,)."""
        raw: Any = self.retriever.prepare(picture)[None]
        return batcher.predict(self.features, self.size, raw, np.ones((1, 1), bool), (), ())[0]


class OpenGallery:
    """A gallery that a service offers.

    Args:
        retriever: Gallery and network.
    """

    def __init__(self, retriever: Retriever) -> None:
        self.retriever, self.gallery = retriever, retriever.gallery
        self.name, self.facts, self.views = retriever.name, retriever.gallery.facts, retriever.views
        self.row_of = {name: row for row, name in enumerate(self.gallery.table["image"])}
        self.images = {view: len(self.gallery.rows(retriever.other(view))) for view in self.views}
        self._describers = {view: Describer(retriever, view) for view in self.views}
        self._places = self.gallery.table["place"].tolist()
        self._points = self.gallery.table[["x", "y"]].to_numpy(float)

    def find(
        self, data: bytes, view: str, count: int, batcher: Batcher, max_pixels: int
    ) -> RetrieveAnswer:
        """Decode a photo and rank the gallery for it (in a thread).

        Raises:
            Problem: When the photo cannot be used.
            InputError: The same.
        """
        photo = self.decode(data, max_pixels)
        start = time.perf_counter()
        feature = self._describers[view].ask(batcher, photo)
        found = self.retriever.search(feature, view, count)
        seconds = time.perf_counter() - start
        return RetrieveAnswer(
            gallery=self.name,
            view=view,
            searched=self.retriever.other(view),
            images=self.images[view],
            crs=self.facts.crs,
            photo={"width": photo.shape[1], "height": photo.shape[0]},
            results=[self._found(rank, *one) for rank, one in enumerate(found, 1)],
            seconds=round(seconds, 4),
        )

    def explain(self, data: bytes, view: str, row: int, max_pixels: int) -> bytes:
        """Return what in a photo speaks for an image: a transparent PNG to lay over the photo.

        Raises:
            Problem: When the photo cannot be used.
            InputError: The same.
        """
        image = Image.fromarray(self.decode(data, max_pixels))
        image.thumbnail((_LONGEST, _LONGEST))
        fall = self.retriever.saliency(np.asarray(image), view, row)
        strength = np.sqrt(np.abs(fall) / max(float(np.abs(fall).max()), 1e-12))
        colors = np.where((fall > 0)[..., None], _FOR, _AGAINST)
        return encode_png(np.dstack([colors, np.rint(255 * _STRENGTH * strength)]).astype(np.uint8))

    def decode(self, data: bytes, max_pixels: int) -> NDArray[np.uint8]:
        """Return the pixels of a photo, turned as the gallery's were."""
        return open_photo(data, max_pixels, upright=self.facts.upright)

    def picture(self, row: int) -> bytes:
        """Return the picture of a row, a JPEG file.

        Raises:
            InputError: When it is gone.
        """
        path = self.gallery.picture(row)
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(path, "it cannot be read", "Restore the gallery's folder.") from error

    def thumbnail(self, row: int) -> bytes:
        """Return a small picture of a row, a JPEG file."""
        image = Image.open(io.BytesIO(self.picture(row)), formats=("JPEG",))
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    def examples(self) -> list[Path]:
        """Return the pictures to ask with."""
        return [path for path, _ in self.gallery.examples()]

    def describe(self) -> GalleryAnswer:
        """Return what is known of it."""
        return GalleryAnswer(
            name=self.name,
            views=self.views,
            images=self.images,
            crs=self.facts.crs,
            upright=self.facts.upright,
            examples={path.stem: view for path, view in self.gallery.examples()},
            digest=self.facts.digest[:16],
        )

    def places(self) -> list[Point]:
        """Return the coordinates of its images, each once, thinned out where they are many."""
        known = np.unique(self._points[np.isfinite(self._points).all(axis=1)], axis=0)
        step = max(1, -(-len(known) // _PLACES))
        return [[float(x), float(y)] for x, y in known[::step]]

    def _found(self, rank: int, row: int, score: float) -> FoundImage:
        """Describe an image that was found."""
        name, (x, y) = str(self.gallery.table["image"].iat[row]), self._points[row]
        return FoundImage(
            rank=rank,
            name=name,
            place=self._places[row],
            score=score,
            coordinates=[float(x), float(y)] if np.isfinite([x, y]).all() else None,
            picture=address(self.name, name),
        )


def address(gallery: str, image: str) -> str:
    """Return where the picture of an image is."""
    return f"/retrieve/galleries/{quote(gallery)}/pictures/{quote(image)}"


def load_galleries(
    folders: Sequence[Path],
    device: torch.device | str = "cpu",
    threads: int = 1,
    index: IndexKind = "flat",
) -> list[OpenGallery]:
    """Open the galleries that a command line names.

    Args:
        folders: Their folders.
        device: Where their networks compute.
        threads: CPU threads.
        index: How they are searched; only `flat` is exact.

    Raises:
        InputError: When one is absent, damaged or of another model, or two have the same name.
    """
    from nadir.retrieval.gallery_search import load_retriever

    return [OpenGallery(load_retriever(folder, device, threads, index)) for folder in folders]
