"""From the products of an experiment to a gallery that a service searches."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.errors import CRSError
from tqdm import tqdm

from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, load_description
from nadir.provenance.atomic import atomic_folder, write_bytes, write_json
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.provenance.manifest import read_manifest
from nadir.provenance.sealed import check_name
from nadir.provenance.tables import write_table
from nadir.raster.pictures import decode_picture
from nadir.retrieval.evaluate import not_junk
from nadir.retrieval.feature_store import KIND, Stored, read_features
from nadir.retrieval.gallery import (
    FEATURES,
    FILE,
    IMAGES,
    LISTED,
    MODEL,
    SCHEMA,
    Example,
    Facts,
    picture_path,
)

log = logging.getLogger(__name__)

_QUALITY = 90
_PARTS = {FILE, IMAGES, FEATURES, MODEL, "pictures", "examples"}
_SHOWN = (".png", ".jpg", ".jpeg", ".tif", ".tiff")  # what the service takes


def export_gallery(
    features: str | os.PathLike[str],
    weights: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    name: str | None = None,
    side: int = 384,
    crs: str | None = None,
    examples: int = 3,
) -> None:
    """Write a gallery; equal products give equal bytes.

    Images whose place is `-1` are left out, as the batch rule leaves them out of rankings.

    Args:
        features: Manifest of the features of an experiment.
        weights: Weights of the bundle that made them.
        out: `gallery.json` to write; the folder around it is replaced.
        name: What the gallery is called; by default dataset and experiment, from the folders.
        side: Longest side of the pictures that are kept, in pixels.
        crs: The system of the coordinates, where it is known.
        examples: Queries of each view that are put beside it.

    Raises:
        InputError: When the features are of another model, the gallery is empty, a picture cannot
            be read, or the system of coordinates is not known.
        OutputError: When the disk is full or not writable.
    """
    out, bundle = Path(out).absolute(), Path(weights).parent
    _check_place(out)
    manifest, stored = read_manifest(features, KIND), read_features(features)
    description = load_description(bundle)
    model = sha(read_bytes(weights))
    if manifest.sources.get("model") != model:
        problem = f"they were not made with {weights}"
        raise InputError(features, problem, "Give the model of the same experiment.")
    kept = _kept(stored)
    named = check_name(name or "-".join(Path(features).absolute().parent.parts[-2:]))
    known = {"name": named, "views": manifest.content["views"], "model": model}
    upright = bool(description.get("upright", False))
    with atomic_folder(out.parent) as folder:
        for part in (WEIGHTS, DESCRIPTION):
            write_bytes(folder / MODEL / part, read_bytes(bundle / part))
        rows = stored.table[kept].reset_index(drop=True)
        digests = _write_pictures(folder, rows["path"].tolist(), side, upright)
        write_table(folder / IMAGES, rows.assign(digest=digests), SCHEMA)
        write_bytes(folder / FEATURES, _npy(stored.feature[kept]))
        facts = Facts(
            **known,
            upright=upright,
            flip=bool(manifest.content["flip"]),
            crs=_checked(crs),
            images=len(rows),
            dimensions=stored.feature.shape[1],
            files={part: sha(read_bytes(folder / part)) for part in LISTED},
            examples=tuple(_examples(stored, folder / "examples", named, known["views"], examples)),
        )
        write_json(folder / FILE, facts.sealed().model_dump(mode="json"))
    log.info("%s: %d images of %d places", out, len(rows), rows["place"].nunique())


def _check_place(out: Path) -> None:
    """See that no other folder is replaced."""
    if out.name != FILE:
        raise InputError(out, f"the list of a gallery is called {FILE}", f"Name it {FILE}.")
    strange = {path.name for path in out.parent.glob("*")} - _PARTS
    if strange:
        problem = f"the folder holds {min(strange)!r}, which is no part of a gallery"
        raise InputError(out.parent, problem, "Give a folder of its own: it is replaced.")


def _kept(stored: Stored) -> NDArray[np.bool_]:
    """Return which rows are searched."""
    gallery = (stored.table["split"] == "gallery").to_numpy()
    kept = gallery & not_junk(stored.table["place"].to_numpy(object))
    if not kept.any():
        raise InputError("gallery", "it is empty", "Put at least one image there.")
    return kept


def _write_pictures(folder: Path, paths: Sequence[str], side: int, upright: bool) -> list[str]:
    """Write small pictures of images, and return their digests."""
    digests = []
    for row, path in enumerate(tqdm(paths, "pictures", disable=None)):
        # Encoded anew: a browser turns what has an EXIF orientation, and shows no TIFF.
        image = Image.fromarray(decode_picture(read_bytes(path), path, upright=upright))
        image.thumbnail((side, side))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY)
        write_bytes(picture_path(folder, row), buffer.getvalue())
        digests.append(sha(buffer.getvalue()))
    return digests


def _examples(
    stored: Stored, folder: Path, name: str, views: Sequence[str], count: int
) -> list[Example]:
    """Copy some queries of each view, evenly spread."""
    found = []
    table = stored.table[(stored.table["split"] == "query") & (stored.table["weather"] == "normal")]
    for view in views:
        rows: pd.DataFrame = table[table["view"] == view]
        rows = rows[[Path(path).suffix.lower() in _SHOWN for path in rows["path"]]]
        places = np.linspace(0, max(len(rows) - 1, 0), min(count, len(rows))).round().astype(int)
        for number, path in enumerate(rows["path"].to_numpy()[places], 1):
            file, content = f"{name}-{view}-{number}{Path(path).suffix.lower()}", read_bytes(path)
            write_bytes(folder / file, content)
            found.append(Example(file=file, view=view, digest=sha(content)))
    return found


def _npy(features: NDArray[np.float32]) -> bytes:
    """Return features as the bytes of an NPY file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(features, np.float32), allow_pickle=False)
    return buffer.getvalue()


def _checked(crs: str | None) -> str | None:
    """Return a system of coordinates that is one."""
    if crs is None:
        return None
    try:
        return str(CRS.from_user_input(crs).to_string())
    except CRSError as error:
        raise InputError(
            "--crs", f"{crs!r} is no system of coordinates", "Give as EPSG:32631."
        ) from error
