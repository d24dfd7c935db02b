"""Locating single photos outside of the workflow: an index that is kept, and one answer a photo."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from nadir.config.localization import SearchConfig
from nadir.errors import InputError
from nadir.localization.answer import answer_document
from nadir.localization.coarse import CELLS, Describe, cell_size, gradient_description
from nadir.localization.localizer import Localizer
from nadir.localization.photos import read_photo
from nadir.localization.references import Reference, build_reference
from nadir.provenance.code import code_fingerprint
from nadir.provenance.digest import file_digest, sha

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


class PhotoLocator:
    """Locates photos of any size, one by one, on the same references.

    Args:
        references: The substrate first, then mosaics on its grid.
        cfg: How to search.
        describe: How cells are described.
        device: Where to compute.
        scale: Substrate pixels per photo pixel, about.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        cfg: SearchConfig,
        *,
        describe: Describe = gradient_description,
        device: torch.device | None = None,
        scale: float = 1.0,
    ) -> None:
        self.references, self.cfg = list(references), cfg
        self.describe, self.device, self.scale = describe, device, scale
        self._localizers: dict[int, Localizer] = {}
        first = self.references[0]
        for one in self.references[1:]:
            if (one.width, one.height) != (first.width, first.height):
                raise InputError(
                    one.name,
                    f"the reference has {one.width} x {one.height} pixels, the substrate "
                    f"{first.width} x {first.height}",
                    "Give references on the substrate's grid.",
                )

    def locate(self, photo: str | os.PathLike[str]) -> dict[str, Any]:
        """Return the answer for one photo (see `answer.answer_document`).

        Beside it: `file`, `probability`, `resolved`, `covariance` (rows of x in pixels, y in pixels
        and angle in degrees, or None), `margin`, `reference` and `stage`.

        Raises:
            InputError: When the photo cannot be read, or covers more than the substrate.
        """
        rgb = read_photo(photo)
        height, width = rgb.shape[:2]
        first = self.references[0]
        if self.scale * max(width, height) > max(first.width, first.height):
            raise InputError(
                photo,
                f"its {width} x {height} pixels cover more than the substrate, "
                f"{first.width} x {first.height} pixels, at {self.scale:g} of its pixels each",
                "Give a photo of part of the substrate, or the right scale.",
            )
        answer = self._localizer(max(width, height)).locate(rgb)
        covariance = None if answer.covariance is None else answer.covariance.tolist()
        extra = {
            "probability": float(answer.probability),
            "resolved": bool(answer.resolved),
            "covariance": covariance,
            "margin": float(answer.margin) if answer.margin == answer.margin else None,
            "reference": answer.reference,
            "stage": answer.stage,
        }
        document = answer_document(answer.pose, width, height, first.grid, extra)
        return {"file": os.fspath(photo), **document}

    def _localizer(self, side: int) -> Localizer:
        """Return the localizer of a photo's size; photos with cells of one size share it."""
        cell = cell_size(round(side * self.scale))
        if cell not in self._localizers:
            typical = round(CELLS * cell / self.scale)
            self._localizers[cell] = Localizer(
                self.references,
                self.cfg,
                typical,
                self.describe,
                device=self.device,
                scale=self.scale,
            )
        return self._localizers[cell]


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
