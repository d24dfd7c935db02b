"""Which photos are kept: rules in a fixed order, of which the first that applies is the cause."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from nadir.config.groundview import FiltersConfig, PhotosDataset
from nadir.errors import InputError
from nadir.groundview.duplicates import choose_best, duplicate_groups
from nadir.groundview.faces import FaceDetector, open_detector
from nadir.groundview.imagery import Extent, distance_m, local_metres
from nadir.groundview.measures import (
    brightness,
    luminance,
    perceptual_hash,
    season,
    sharpness,
    sun_elevation,
)
from nadir.groundview.photo_files import cut_panel, read_photo, squared
from nadir.groundview.photos import read_photos
from nadir.groundview.review import read_review
from nadir.provenance.tables import read_table, refuse_doubles, write_table

if TYPE_CHECKING:
    from nadir.groundview.scene_network import SceneClassifier

log = logging.getLogger(__name__)

CAUSES = (
    "corrupt",
    "no_coordinates",
    "outside",
    "duplicate",
    "far",
    "blur",
    "night",
    "season",
    "scene",
    "people",
    "review",
)
"""Why photos are dropped, in the order in which it is asked."""

HARD = ("corrupt", "no_coordinates", "outside")
"""Causes that a review cannot overrule: nothing could be paired."""

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("kept", pa.bool_()),
        ("cause", pa.string()),
        ("measured", pa.string()),
        ("duplicate_of", pa.string()),
        ("beyond_m", pa.float64()),
        ("sharpness", pa.float64()),
        ("brightness", pa.float64()),
        ("sun_deg", pa.float64()),
        ("season", pa.string()),
        ("scene", pa.string()),
        ("scene_share", pa.float64()),
        ("faces", pa.float64()),
        ("hash", pa.string()),
    ]
)
"""Columns of `filters.parquet`, in the order of the photos. `measured` is the cause without the
review. Scores: metres beyond the nearest circle that photos are asked for in (negative inside),
`sharpness` and `brightness` from 0 to 1, elevation of the sun, season, likeliest scene and
probability of the kept scenes together, number of faces; NaN or empty where not measured.
"""

_BATCH = 64


def filter_photos(
    photos: str | os.PathLike[str],
    dataset: PhotosDataset,
    out: str | os.PathLike[str],
    *,
    extent: Extent | None = None,
    scenes: str | os.PathLike[str] | None = None,
    review: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> None:
    """Measure every photo, decide which are kept, and write `filters.parquet`.

    Args:
        photos: Table of photos.
        dataset: The dataset.
        out: The table to write.
        extent: Where the imagery lies: photos whose crop reaches beyond it are outside.
        scenes: Folder of the classifier of scenes that was trained here, if any.
        review: A csv file with what a person decided; by default the dataset's, if any.
        threads: Photos that are read at the same time; by default one a core.

    Raises:
        InputError: When an input is absent or wrong.
        OutputError: When the disk is full or not writable.
    """
    cfg = dataset.filters
    table = read_photos(photos)
    detector = open_detector(cfg.people)
    classifier = _classifier(cfg, scenes)
    reviewed = review or dataset.review
    decided = read_review(reviewed, set(table["photo"])) if reviewed else {}
    scores = _measure(table, dataset, detector, classifier, threads)
    measured = _causes(table, scores, dataset, extent)
    table_out = scores.assign(photo=table["photo"], measured=measured)
    table_out["cause"] = [
        _reviewed(cause, decided.get(photo))
        for photo, cause in zip(table["photo"], measured, strict=True)
    ]
    table_out["kept"] = table_out["cause"] == ""
    table_out["hash"] = [f"{value:016x}" if known else "" for value, known in _hashes(scores)]
    write_table(out, table_out, SCHEMA)
    counts = table_out["cause"].value_counts()
    told = ", ".join(f"{name} {counts[name]}" for name in CAUSES if name in counts)
    log.info("%d of %d photos are kept; dropped: %s", counts.get("", 0), len(table), told or "none")


def read_filters(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read `filters.parquet`.

    Raises:
        InputError: When there is no such file, or it is no such table.
    """
    table = read_table(path, SCHEMA, "table of filters")
    refuse_doubles(table, path, "table of filters")
    if strange := sorted(set(table["cause"]) - {"", *CAUSES}):
        problem = f"it has the cause {strange[0]!r}"
        raise InputError(path, problem, f"There are {', '.join(CAUSES)}.")
    return table


def _classifier(
    cfg: FiltersConfig, trained: str | os.PathLike[str] | None
) -> SceneClassifier | None:
    """Return the classifier of scenes, if scenes are asked for."""
    if cfg.scenes is None:
        return None
    from nadir.groundview.scene_network import open_classifier  # torch takes seconds

    return open_classifier(cfg.scenes, trained)


def _hashes(scores: pd.DataFrame) -> Iterator[tuple[int, bool]]:
    return zip(scores["hash"], scores["sharpness"].notna(), strict=True)


def _measure(
    table: pd.DataFrame,
    dataset: PhotosDataset,
    detector: FaceDetector | None,
    classifier: SceneClassifier | None,
    threads: int | None,
) -> pd.DataFrame:
    """Return the scores of all photos, a row each; photos are read in batches."""
    scores = pd.DataFrame(index=table.index)
    for name in ("beyond_m", "sharpness", "brightness", "sun_deg", "scene_share", "faces"):
        scores[name] = np.nan
    for name in ("duplicate_of", "season", "scene"):
        scores[name] = ""
    values = np.zeros(len(table), np.uint64)
    good = np.flatnonzero((table["fault"] != "corrupt").to_numpy())
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for first in tqdm(range(0, len(good), _BATCH), "filters", disable=None):
            rows = good[first : first + _BATCH]
            read = list(pool.map(lambda path: _open(path, dataset), table["path"].iloc[rows]))
            looks = list(pool.map(lambda photo: _look(photo, dataset), read))
            for row, look in zip(rows, looks, strict=True):
                scores.loc[row, ["brightness", "sharpness"]] = look[:2]
                values[row] = look[2]
            if detector is not None:
                scores.loc[rows, "faces"] = [float(detector.count(photo)) for photo in read]
            if classifier is not None and dataset.filters.scenes is not None:
                shares = classifier.predict(read)
                names = np.array(classifier.classes, object)
                scores.loc[rows, "scene"] = names[shares.argmax(1)]
                wanted = np.isin(names, dataset.filters.scenes.keep)
                scores.loc[rows, "scene_share"] = shares[:, wanted].sum(1).astype(float)
    scores["hash"] = values
    at = list(zip(table["longitude"], table["latitude"], table["date"], strict=True))
    scores["sun_deg"] = [sun_elevation(*one) for one in at]
    scores["season"] = [season(north, date) or "" for _, north, date in at]
    circles = [
        distance_m(table["longitude"], table["latitude"], east, north) - radius
        for east, north, radius in dataset.filters.near
    ]
    if circles:
        scores["beyond_m"] = np.min(circles, axis=0)
    return scores


def _open(path: str, dataset: PhotosDataset) -> NDArray[np.uint8]:
    pixels = read_photo(path)
    return cut_panel(pixels, dataset.panels, "ground", path) if dataset.panels else pixels


def _look(photo: NDArray[np.uint8], dataset: PhotosDataset) -> tuple[float, float, int]:
    """Return brightness, sharpness and hash of a photo, at the size that models see."""
    side = min(dataset.image_px, *photo.shape[:2])
    light = luminance(squared(photo, max(side, 16), dataset.fit))
    return brightness(light), sharpness(light), perceptual_hash(light)


def _causes(
    table: pd.DataFrame, scores: pd.DataFrame, dataset: PhotosDataset, extent: Extent | None
) -> list[str]:
    """Return the first cause of each photo, "" for none; and note what duplicates are of."""
    cfg = dataset.filters
    cause = table["fault"].to_numpy(object).copy()
    _mark(cause, "outside", _outside(table, dataset, extent))
    _mark_duplicates(cause, table, scores, cfg)
    _mark(cause, "far", (scores["beyond_m"] > 0).to_numpy())
    if cfg.sharpness is not None:
        _mark(cause, "blur", (scores["sharpness"] < cfg.sharpness).to_numpy())
    if cfg.night is not None:
        low = scores["sun_deg"] < cfg.night.least_sun_deg
        dark = scores["brightness"] < cfg.night.least_brightness
        _mark(cause, "night", (low | dark).to_numpy())
    if cfg.seasons is not None:
        other = ~scores["season"].isin(["", *cfg.seasons])
        _mark(cause, "season", other.to_numpy())
    if cfg.scenes is not None:
        _mark(cause, "scene", (scores["scene_share"] < cfg.scenes.least).to_numpy())
    if cfg.people is not None:
        _mark(cause, "people", (scores["faces"] > cfg.people.most).to_numpy())
    return cause.tolist()


def _mark(cause: NDArray[np.object_], name: str, applies: NDArray[np.bool_]) -> None:
    """Give photos without a cause this one where it applies."""
    cause[applies & (cause == "")] = name


def _outside(
    table: pd.DataFrame, dataset: PhotosDataset, extent: Extent | None
) -> NDArray[np.bool_]:
    """Tell which photos lie outside the imagery; crops that reach beyond it are cut later on."""
    if extent is None or dataset.panels is not None:
        return np.zeros(len(table), bool)
    return ~extent.holds(table["x"], table["y"])


def _mark_duplicates(
    cause: NDArray[np.object_], table: pd.DataFrame, scores: pd.DataFrame, cfg: FiltersConfig
) -> None:
    """Mark all but the best photo of each group: the largest, then the sharpest one."""
    rows = np.flatnonzero(cause == "")
    if cfg.duplicates is None or not len(rows):
        return
    some = table.iloc[rows]
    metres = local_metres(some["longitude"], some["latitude"])
    hashes = scores["hash"].to_numpy(np.uint64)[rows]
    # Equal files are duplicates wherever they are.
    digests = np.unique(some["digest"].to_numpy(str), return_inverse=True)[1]
    within = cfg.duplicates.within_m
    alike = duplicate_groups(hashes, cfg.duplicates.bits, metres, within)
    quality = list(
        zip(
            (some["width"] * some["height"]).tolist(),
            scores["sharpness"].iloc[rows].tolist(),
            strict=True,
        )
    )
    for groups in (digests.astype(np.int64), alike):
        best = rows[choose_best(groups, quality)]
        drop = rows[(best != rows) & (cause[rows] == "")]
        for row, source in zip(rows, best, strict=True):
            if row in drop:
                scores.loc[row, "duplicate_of"] = table["photo"].iloc[source]
        cause[drop] = "duplicate"


def _reviewed(cause: str, keep: bool | None) -> str:
    """Return the cause after a person's decision, which measures yield to but faults do not."""
    if keep is None or cause in HARD:
        return cause
    return "" if keep else cause or "review"


def kept_photos(photos: str | os.PathLike[str], filters: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the rows of the table of photos that are kept.

    Raises:
        InputError: When the tables do not belong together, or no photo is kept.
    """
    table, kept = read_photos(photos), read_filters(filters)
    if table["photo"].tolist() != kept["photo"].tolist():
        problem = f"it is not of the photos of {Path(photos).name}"
        raise InputError(filters, problem, "Delete it and run snakemake again.")
    rows = table[kept["kept"].to_numpy()].reset_index(drop=True)
    if rows.empty:
        counts = kept["cause"].value_counts()
        told = ", ".join(f"{name} {counts[name]}" for name in CAUSES if name in counts)
        problem = f"no photo of {len(table)} is kept ({told})"
        raise InputError(filters, problem, "Loosen filters, or give other photos.")
    return rows
