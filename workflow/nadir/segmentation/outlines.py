"""How far each pixel is from the nearest outline: stored beforehand, or found from the labels."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from nadir.provenance.manifest import read_manifest, store_of
from nadir.raster.outlines import FARTHEST, KIND, signed_distance
from nadir.raster.store import StoredArray
from nadir.segmentation.patches import LabelsLike


class OutlineStore:
    """The outlines of a scene, through their manifest.

    Args:
        manifest: `outline.manifest.json`.

    Raises:
        InputError: When there is no such manifest.
    """

    def __init__(self, manifest: str | os.PathLike[str]) -> None:
        self.manifest = read_manifest(manifest, KIND)
        self._distance = StoredArray(store_of(manifest, self.manifest) / "distance")

    def distance(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return int8 (height, width): distance in pixels, positive inside; 0 beyond the scene."""
        return self._distance.read(y, x, height, width)


@dataclass(frozen=True)
class LabelOutlines:
    """The outlines of one class, from the labels alone: things that touch are one.

    Attributes:
        labels: Labels of the scene.
        number: Id of the class.
    """

    labels: LabelsLike
    number: int

    def distance(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return int8 (height, width), as a store would have it.

        A halo as wide as the farthest distance that is told apart makes the window exact.
        """
        halo = FARTHEST
        ids = self.labels.hard(y - halo, x - halo, height + 2 * halo, width + 2 * halo)
        exact = signed_distance(ids == self.number, ids != 0)
        inner = exact[halo : halo + height, halo : halo + width]
        return np.rint(np.clip(inner, -FARTHEST, FARTHEST)).astype(np.int8)
