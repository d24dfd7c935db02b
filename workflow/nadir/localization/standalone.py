"""Locating single photos outside of the workflow: an index that is kept, and one answer a photo."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.config.localization import SearchConfig
from nadir.errors import InputError
from nadir.localization.answer import answer_document
from nadir.localization.coarse import CELLS, Describe, cell_size, gradient_description
from nadir.localization.localizer import Answer, Localizer
from nadir.localization.references import Reference, build_reference
from nadir.provenance.code import code_fingerprint
from nadir.provenance.digest import file_digest, sha
from nadir.raster.grid import Grid
from nadir.raster.pictures import read_picture

log = logging.getLogger(__name__)

_CODE = "nadir.localization.references"


def index_folder(substrate: str | os.PathLike[str]) -> Path:
    """Return where the index of a substrate is kept by default: in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "nadir" / "references" / sha(os.path.abspath(substrate).encode())[:16]


def kept_reference(substrate: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Reference:
    """Return the index of a substrate, made where there is none of these very bytes.

    Args:
        substrate: The picture.
        folder: Where the index is kept; one substrate a folder.

    Raises:
        InputError: When the substrate cannot be read or is no 8-bit picture.
        OutputError: When the disk is full or not writable.
    """
    folder = Path(folder)
    manifest = folder / "substrate.manifest.json"
    digest = file_digest(substrate, folder / "digests")
    wanted = {"substrate": digest, "code": code_fingerprint(_CODE)}
    if _sources(manifest) != wanted:
        log.info("indexing %s; the index is kept in %s", substrate, folder)
        build_reference(substrate, manifest, wanted)
    return Reference(manifest)


def _sources(manifest: Path) -> dict[str, str] | None:
    """Return what an index was made from; None where there is none that can be read."""
    try:
        return dict(json.loads(manifest.read_text())["sources"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Locator(Protocol):
    """What locates photos: a `PhotoLocator`, or a localiser that a run of the workflow left."""

    grid: Grid | None
    size: tuple[int, int]

    def locate(self, photo: NDArray[np.uint8]) -> Answer:
        """Return where a photo (height, width, 3) uint8 was taken."""
        ...


class PhotoLocator:
    """Locates photos of any size, one by one, on the same references.

    Args:
        references: The substrate first, then mosaics on its grid.
        cfg: How to search.
        describe: Ways to describe cells, tried in this order until an answer is sure.
        device: Where to compute.
        scale: Substrate pixels per photo pixel, about.

    Attributes:
        grid: Grid of the substrate, or None without georeference.
        size: Its (width, height) in pixels.

    Raises:
        InputError: When a reference has another size than the substrate.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        cfg: SearchConfig,
        *,
        describe: Sequence[Describe] = (gradient_description,),
        device: torch.device | None = None,
        scale: float = 1.0,
    ) -> None:
        self._references, self._cfg = list(references), cfg
        self._describe, self._device, self._scale = describe, device, scale
        self._localizers: dict[int, Localizer] = {}
        first = self._references[0]
        self.grid: Grid | None = first.grid
        self.size = (first.width, first.height)
        for one in self._references[1:]:
            if (one.width, one.height) != self.size:
                raise InputError(
                    one.source,
                    f"this reference has {one.width} x {one.height} pixels, the substrate "
                    f"{first.width} x {first.height}",
                    "Give references on the substrate's grid.",
                )

    def locate(self, photo: NDArray[np.uint8]) -> Answer:
        """Return where a photo (height, width, 3) uint8 was taken."""
        # Photos whose cells have one size share what is made for it.
        cell = cell_size(round(max(photo.shape[:2]) * self._scale))
        if cell not in self._localizers:
            self._localizers[cell] = Localizer(
                self._references,
                self._cfg,
                round(CELLS * cell / self._scale),
                self._describe,
                device=self._device,
                scale=self._scale,
            )
        return self._localizers[cell].locate(photo)


def answer_photo(
    photo: str | os.PathLike[str], locator: Locator, scale: float = 1.0
) -> dict[str, Any]:
    """Return the answer for one photo (see `answer.answer_document`).

    Beside it: `file`, `probability`, `resolved`, `covariance` (rows of x in pixels, y in pixels and
    angle in degrees, or None), `margin`, `reference` and `stage`.

    Args:
        photo: The file.
        locator: What locates it.
        scale: Substrate pixels per photo pixel, about.

    Raises:
        InputError: When the photo cannot be read, or covers more than the substrate.
    """
    rgb = read_picture(photo)
    height, width = rgb.shape[:2]
    sides = scale * min(width, height), scale * max(width, height)
    if sides[0] > min(locator.size) or sides[1] > max(locator.size):
        raise InputError(
            photo,
            f"its {width} x {height} pixels cover more than the substrate, {locator.size[0]} x "
            f"{locator.size[1]} pixels, at {scale:g} of its pixels each",
            "Give a photo of part of the substrate, or the right scale.",
        )
    answer = locator.locate(rgb)
    extra = {
        "probability": float(answer.probability),
        "resolved": bool(answer.resolved),
        "covariance": None if answer.covariance is None else answer.covariance.tolist(),
        "margin": None if math.isnan(answer.margin) else float(answer.margin),
        "reference": answer.reference,
        "stage": answer.stage,
    }
    document = answer_document(answer.pose, width, height, locator.grid, extra)
    return {"file": os.fspath(photo), **document}


def readable(document: dict[str, Any]) -> str:
    """Return an answer as one line of text."""
    pixels, place = document["pixels"], document["map"]
    x, y = pixels["center"]
    parts = [f"center ({x:.1f}, {y:.1f}) px, angle {pixels['angle']:.1f} degrees"]
    if place is not None:
        east, north = place["center"]
        parts.append(f"{place['crs']} {east:.2f} {north:.2f}")
    sure = "sure" if document["resolved"] else "not sure"
    parts.append(f"probability {document['probability']:.3f} ({sure})")
    return f"{document['file']}: {'; '.join(parts)}"
