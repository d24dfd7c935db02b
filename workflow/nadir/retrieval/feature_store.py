"""Features of images on disk: a Zarr store of arrays behind a manifest.

`feature` float32 (images, dimensions) and, where asked for, `turned` of the same shape; beside
them the columns of the image table that tell what each row is: texts as UTF-8 bytes padded with
zeros, uint8 (images, longest), and `position` float64 (images, 2).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.provenance.manifest import Manifest, read_manifest, staged_store, store_of
from nadir.raster.store import (
    ArraySpec,
    Layout,
    StoredArray,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)
from nadir.retrieval.evaluate import Images

KIND = "features"
"""Kind of the manifest."""

TEXTS = ("image", "place", "view", "split", "weather", "path")
"""Columns of the image table that are stored as texts."""

_LAYOUT = Layout(chunk=256, shard=4096, block=4096, codec="zstd")


@dataclass(frozen=True, eq=False)
class Stored:
    """Features with what they are of.

    Attributes:
        table: One row an image: image, place, view, split, weather, path, x, y.
        feature: float32 (images, dimensions), of unit length.
        turned: The same with all quarter turns added up; None where that was not asked for.
    """

    table: pd.DataFrame
    feature: NDArray[np.float32]
    turned: NDArray[np.float32] | None = None

    def side(
        self, view: str, split: str, *, weather: str | None = None, turned: bool = False
    ) -> tuple[pd.DataFrame, Images]:
        """Return one side of a ranking: its rows, and its features by place, grouped by weather.

        Args:
            view: The view.
            split: "query" or "gallery".
            weather: The weather; None for all.
            turned: Whether features with all quarter turns are taken.

        Raises:
            InputError: When there are no such images, or no features with turns.
        """
        chosen = (self.table["view"] == view) & (self.table["split"] == split)
        if weather is not None:
            chosen &= self.table["weather"] == weather
        features = self.turned if turned else self.feature
        if features is None or not chosen.any():
            what = f"images of the view {view!r} in the split {split!r}"
            problem = f"there are no {what}" if features is not None else "there are no turns"
            raise InputError("features", problem, "Extract the features again, with those.")
        rows = self.table[chosen.to_numpy()].reset_index(drop=True)
        places = rows["place"].to_numpy(object)
        names, weathers = rows["image"].to_numpy(object), rows["weather"].to_numpy(object)
        return rows, Images(features[chosen.to_numpy()], places, names, weathers)


def write_features(
    manifest: str | os.PathLike[str],
    stored: Stored,
    facts: dict[str, Any],
    sources: dict[str, str] | None = None,
) -> Manifest:
    """Write features and return their manifest; equal content gives an equal digest.

    Args:
        manifest: Path of the manifest.
        stored: What to write.
        facts: What readers want to know of how they were made (model, weathers, flip).
        sources: Name -> digest of what they were made from.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    arrays: dict[str, np.ndarray] = {"feature": stored.feature}
    if stored.turned is not None:
        arrays["turned"] = stored.turned
    arrays |= {name: _as_bytes(stored.table[name]) for name in TEXTS}
    arrays["position"] = stored.table[["x", "y"]].to_numpy(np.float64)
    units = []
    with staged_store(manifest) as stage:
        create_group(stage.path, {})
        for name, values in arrays.items():
            axes = ("image", "dimension")
            spec = ArraySpec(name, values.dtype.name, values.shape, axes)
            create_array(stage.path, spec, _LAYOUT, {})
            array = StoredArray(stage.path / name)
            for row in range(0, values.shape[0], _LAYOUT.shard):
                for column in range(0, values.shape[1], _LAYOUT.shard):
                    block = values[row : row + _LAYOUT.shard, column : column + _LAYOUT.shard]
                    array.write((), row, column, block)
                    units += unit_digests(name, (), row, column, block)
        content = {
            "images": len(stored.table),
            "dimensions": int(stored.feature.shape[1]),
            "arrays": {name: [values.dtype.name, *values.shape] for name, values in arrays.items()},
            **facts,
        }
        digest = content_digest(units, content)
        return stage.commit(Manifest(KIND, digest, None, content, sources or {}))


def read_features(manifest: str | os.PathLike[str]) -> Stored:
    """Read features.

    Raises:
        InputError: When the manifest is absent or of another kind, or its store damaged.
    """
    known = read_manifest(manifest, KIND)
    store = store_of(manifest, known)

    def read(name: str) -> np.ndarray:
        array = StoredArray(store / name)
        return array.read(0, 0, *array.shape)

    table = pd.DataFrame({name: _as_texts(read(name)) for name in TEXTS})
    table[["x", "y"]] = read("position")
    turned = read("turned") if "turned" in known.content["arrays"] else None
    return Stored(table, read("feature"), turned)


def _as_bytes(texts: pd.Series) -> NDArray[np.uint8]:
    """Return texts as UTF-8 bytes, padded with zeros: (texts, longest)."""
    encoded = np.array([str(text).encode() for text in texts], np.bytes_)
    width = max(encoded.dtype.itemsize, 1)
    return np.frombuffer(encoded.astype(f"S{width}").tobytes(), np.uint8).reshape(-1, width)


def _as_texts(values: NDArray[np.uint8]) -> list[str]:
    """Return the texts that `_as_bytes` encoded."""
    return [row.tobytes().rstrip(b"\0").decode() for row in values]
