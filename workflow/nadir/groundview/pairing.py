"""From kept photos to pairs: crops are cut, places found, splits made, and all is stored."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.config.groundview import PhotosDataset
from nadir.errors import InputError
from nadir.groundview.crops import CropSource, open_crops
from nadir.groundview.filtering import kept_photos
from nadir.groundview.heading import INNER, turn_crops
from nadir.groundview.imagery import local_metres
from nadir.groundview.pairs import CLASSES, SCHEMA, SPLITS, write_pairs
from nadir.groundview.photo_files import cut_panel, read_photo, squared
from nadir.groundview.places import find_places, split_distance, split_places, too_near

log = logging.getLogger(__name__)

_BATCH = 64
_LEAST = 2


def build_pairs(
    photos: str | os.PathLike[str],
    filters: str | os.PathLike[str],
    dataset: PhotosDataset,
    manifest: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    cube: str | os.PathLike[str] | None = None,
) -> None:
    """Write the pairs of a dataset: the store, its manifest and the table.

    Args:
        photos: Table of photos.
        filters: Table of filters.
        dataset: The dataset.
        manifest: `pairs.manifest.json` to write.
        folder: Simulated photos: their folder.
        cube: Crops from a cube: its manifest.

    Raises:
        InputError: When there are too few pairs, or an input is not as it must be.
        OutputError: When the disk is full or not writable.
    """
    rows = kept_photos(photos, filters)
    source = open_crops(
        dataset, folder=folder, cube=cube, cache=Path(manifest).parent / "crops.cache"
    )
    size = dataset.crop.size_px
    crops = np.zeros((len(rows), 3, size, size), np.uint8)
    covered = np.zeros(len(rows), bool)
    for row, photo in enumerate(tqdm(rows.to_dict("records"), "crops", disable=None)):
        crop = source.crop(photo)
        if crop is not None:
            crops[row], covered[row] = crop, True
    beyond = int((~covered).sum())
    if beyond:
        log.warning("%d photos are left out: imagery does not cover their crops", beyond)
    rows, crops = rows[covered].reset_index(drop=True), crops[covered]
    if len(rows) < _LEAST:
        problem = f"only {len(rows)} photos have a crop"
        raise InputError(manifest, problem, "Give more photos, or imagery that covers them.")
    table, kept, facts = _placed(rows, dataset, source, manifest)
    rows, crops = rows[kept].reset_index(drop=True), crops[kept]
    if dataset.world and folder is not None:
        table = _with_truth(table, Path(folder) / "truth.csv")
    px = dataset.image_px
    shapes = {
        "photos": (len(table), 3, px, px),
        "crops": crops.shape,
        "turned": crops.shape,
    }
    facts = {
        **source.facts(),
        "resolution": source.resolution,
        "turned_share": INNER,
        "beyond_imagery": beyond,
        **facts,
    }
    batches = _batches(rows, crops, table["heading"].to_numpy(), dataset)
    write_pairs(manifest, table, batches, shapes, facts)
    told = ", ".join(f"{name} {count}" for name, count in facts["counts"].items())
    far = facts["distance_m"]
    log.info(
        "%d pairs of %d places: %s; splits lie %s apart", len(table), facts["places"], told,
        "an unknown distance" if far is None else f"{far:.0f} m",
    )  # fmt: skip


def _batches(
    rows: pd.DataFrame,
    crops: NDArray[np.uint8],
    headings: NDArray[np.float64],
    dataset: PhotosDataset,
) -> Iterator[tuple[NDArray[np.uint8], ...]]:
    """Yield photos, crops and turned crops, some rows at a time."""
    for first in tqdm(range(0, len(rows), _BATCH), "photos", disable=None):
        part = slice(first, first + _BATCH)
        views = [_photo(path, dataset) for path in rows["path"].iloc[part]]
        yield np.stack(views), crops[part], turn_crops(crops[part], headings[part])


def _photo(path: str, dataset: PhotosDataset) -> NDArray[np.uint8]:
    pixels = read_photo(path)
    if dataset.panels:
        pixels = cut_panel(pixels, dataset.panels, "ground", path)
    return squared(pixels, dataset.image_px, dataset.fit)


def _placed(
    rows: pd.DataFrame,
    dataset: PhotosDataset,
    source: CropSource,
    where: str | os.PathLike[str],
) -> tuple[pd.DataFrame, NDArray[np.bool_], dict[str, Any]]:
    """Return the table of pairs with places and splits, which rows are in it, and its facts."""
    cfg = dataset.split
    metres = local_metres(rows["longitude"], rows["latitude"])
    placed = bool(np.isfinite(metres).all())
    side = (source.resolution or 0.0) * dataset.crop.size_px
    apart = cfg.apart_m if cfg.apart_m is not None else side
    named = rows["place"].to_numpy(object)
    if placed and not dataset.panels:
        named = find_places(metres, apart, cfg.block_m, most=cfg.test)
    if dataset.panels is not None and dataset.panels.split == "folder":
        splits = rows["folder"].tolist()
    else:
        splits = split_places(named.tolist(), cfg.test, cfg.validation, dataset.seed)
    keep = np.ones(len(rows), bool)
    if placed and not dataset.panels:
        keep = ~too_near(metres, splits, apart)
        if not keep.all():
            log.warning("%d photos are too near to another split and left out", (~keep).sum())
    table = pd.DataFrame({name: np.full(len(rows), np.nan) for name in SCHEMA.names})
    for name in ("longitude", "latitude", "x", "y", "heading"):
        table[name] = rows[name]
    table["pair"], table["place"], table["split"] = rows["photo"], named, splits
    table = table[keep].reset_index(drop=True)
    counts = {name: int((table["split"] == name).sum()) for name in SPLITS}
    if not counts["train"] or not counts["test"]:
        problem = f"{len(rows)} photos of {len(set(named))} places leave no pairs to train or test"
        raise InputError(where, problem, "Give photos of more places, or lower split.apart_m.")
    shared = _shared(table)
    if shared:
        log.warning("splits share %d places: %s", len(shared), ", ".join(shared[:5]))
    facts = {
        "counts": counts,
        "places": int(table["place"].nunique()),
        "shared_places": len(shared),
        "apart_m": apart if placed else None,
        "too_near": int((~keep).sum()),
        "distance_m": split_distance(metres[keep], table["split"].tolist()) if placed else None,
        "headings": int(table["heading"].notna().sum()),
    }
    return table, keep, facts


def _shared(table: pd.DataFrame) -> list[str]:
    """Return the places that lie in more than one split."""
    splits = table.groupby("place")["split"].nunique()
    return sorted(splits.index[splits > 1])


def _with_truth(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Return the table of pairs with what the simulation knows of each photo."""
    try:
        truth = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(path, f"it cannot be read ({error})", "Simulate again.") from error
    lacking = [name for name in ("file", "sky", *CLASSES) if name not in truth]
    if lacking:
        raise InputError(path, f"it lacks the column {lacking[0]!r}", "Simulate again.")
    names = truth["file"].str.removeprefix("photos/").str.rpartition(".")[0]
    known = truth.set_index(names).reindex(table["pair"])
    told = table.copy()
    told["sky"] = known["sky"].to_numpy(float)
    for name in CLASSES:
        told[f"view_{name}"] = known[name].to_numpy(float)
        told[f"crop_{name}"] = known[f"crop_{name}"].to_numpy(float)
    return told
