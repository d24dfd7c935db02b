"""Scoring footprints against true ones on the ground of a split: by scene, pooled, and in between.

A footprint belongs to the split that holds its representative point. Matching looks at all
footprints of a scene, whole: one that the border of a split cuts is neither cut nor counted
twice. Points on ground without labels count nowhere.
"""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.provenance.atomic import write_text
from nadir.raster.features import LAYER
from nadir.raster.geotiff import first_line, require_file
from nadir.raster.grid import Grid
from nadir.segmentation.evaluate import HardLabels
from nadir.segmentation.footprint_extract import pixel_ground
from nadir.segmentation.footprint_match import (
    LEAST_SHARE,
    MATCH_IOU,
    Match,
    boundary_errors,
    match_footprints,
)
from nadir.segmentation.footprint_pixels import PixelCounts, count_pixels, tile_scores
from nadir.segmentation.threshold import positive_id

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SUMMARIZED = (
    *("precision", "recall", "f1", "mean_iou", "boundary_error_m", "boundary_error_px"),
    *("count_error", "over_segmented", "under_segmented", "pixel_iou", "pixel_accuracy"),
)
"""Scores of which a median and a mean over scenes are given."""
_COUNTS = ("predicted", "true", "matched_predicted", "matched_true")
_BLOCK = 1024
_SPACING = 0.5  # pixels between the points of a boundary


@dataclass(frozen=True)
class FootprintScene:
    """A scene with predicted and true footprints.

    Attributes:
        name: Name of the scene, as in the split.
        footprints: GeoPackage of predicted footprints.
        truth: GeoPackage of true footprints.
        map: The map of class ids.
        labels: The hard labels, on the map's grid.
        all_test: Whether all of the scene belongs to the test, whatever the split says.
    """

    name: str
    footprints: str | os.PathLike[str]
    truth: str | os.PathLike[str]
    map: str | os.PathLike[str]
    labels: HardLabels
    all_test: bool = False


@dataclass
class _Tally:
    """What was counted of one split of one scene, or of several."""

    counts: dict[str, int]
    over: int
    under: int
    iou: NDArray[np.float64]
    metres: NDArray[np.float64]
    pixels: NDArray[np.float64]
    map: PixelCounts

    @classmethod
    def pooled(cls, parts: Sequence[_Tally]) -> _Tally:
        """Return several tallies as one."""
        whole = PixelCounts(
            np.sum([part.map.counts for part in parts], axis=0),
            np.concatenate([part.map.tiles for part in parts]),
        )
        return cls(
            {name: sum(part.counts[name] for part in parts) for name in _COUNTS},
            sum(part.over for part in parts),
            sum(part.under for part in parts),
            np.concatenate([part.iou for part in parts]),
            np.concatenate([part.metres for part in parts]),
            np.concatenate([part.pixels for part in parts]),
            whole,
        )

    def scores(self) -> dict[str, Any]:
        """Return the scores; None where there is nothing to divide by."""
        predicted, true, right, found = (self.counts[name] for name in _COUNTS)
        precision, recall = _share(right, predicted), _share(found, true)
        f1 = None
        if predicted + true:
            # Of the counts, so that it is 0 and not undefined where nothing was found.
            both = (precision or 0.0) + (recall or 0.0)
            f1 = 2 * (precision or 0.0) * (recall or 0.0) / both if both else 0.0
        return {
            **self.counts,
            "precision": precision,
            "recall": recall,
            "f1": f1,
            "mean_iou": _mean(self.iou),
            "boundary_error_m": _median(self.metres),
            "boundary_error_px": _median(self.pixels),
            "mean_boundary_error_m": _mean(self.metres),
            "mean_boundary_error_px": _mean(self.pixels),
            "count_error": _share(predicted - true, true),
            "over_segmented": _share(self.over, true),
            "under_segmented": _share(self.under, predicted),
            "pixel_iou": self.map.iou,
            "pixel_accuracy": self.map.accuracy,
            "pixels": self.map.counts.tolist(),
        }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) and np.isfinite(values).all() else None


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if len(values) and np.isfinite(values).all() else None


def read_footprints(path: str | os.PathLike[str]) -> gpd.GeoDataFrame:
    """Read a GeoPackage of footprints.

    Raises:
        InputError: When there is no such file, or it holds no layer of footprints.
    """
    require_file(str(path))
    try:
        return pyogrio.read_dataframe(path, layer=LAYER)
    except (DataSourceError, DataLayerError) as error:
        raise InputError(
            path,
            f"it holds no layer of footprints ({first_line(error)})",
            "Delete it and run snakemake again.",
        ) from error


def evaluate_footprints(
    scenes: Sequence[FootprintScene],
    split: pd.DataFrame,
    classes: ClassTable,
    splits: Sequence[str],
) -> dict[str, Any]:
    """Score footprints, split by split.

    Args:
        scenes: The scenes.
        split: Columns scene, y, x, size, split.
        classes: The class table.
        splits: Which splits to score.

    Returns:
        Content of `footprints.json`: `match_iou`, `least_share`, and in `splits` for each split
        with labelled ground: `scenes` (scores by scene), `pooled` (over all buildings and
        pixels), `median` and `mean` (over scenes), `tiles` (medians over tiles of 256 px:
        `nadir.segmentation.footprint_pixels.tile_scores`).

        Scores: `predicted`, `true` (footprints that count), `matched_predicted`, `matched_true`,
        `precision`, `recall`, `f1`, `mean_iou` (of matches), `boundary_error_m` and `..._px`
        (median over matches of the symmetric mean distance of boundaries; the mean of the same:
        `mean_boundary_error_...`), `count_error` (share by which predictions are too many),
        `over_segmented` (share of true footprints that hold several predicted ones mostly),
        `under_segmented` (share of predicted ones that hold several true ones mostly),
        `pixel_iou`, `pixel_accuracy`, `pixels` (2 x 2, truth by map, building last).

    Raises:
        InputError: When a file cannot be read or lies elsewhere, or no split has a pixel to score.
    """
    tallies: dict[str, dict[str, _Tally]] = {name: {} for name in splits}
    for scene in scenes:
        for name, tally in _score_scene(scene, split, classes, splits).items():
            tallies[name][scene.name] = tally
    scored = {name: _summary(by_scene) for name, by_scene in tallies.items() if by_scene}
    for name in splits:
        if name not in scored:
            log.warning("split %s has no pixel to score", name)
    if not scored:
        raise InputError(
            scenes[0].map if scenes else "the split",
            "no split has a single pixel that is both labelled and mapped",
            "See that the labels cover the tiles.",
        )
    return {"match_iou": MATCH_IOU, "least_share": LEAST_SHARE, "splits": scored}


def _summary(by_scene: Mapping[str, _Tally]) -> dict[str, Any]:
    """Return the scores of a split by scene, pooled, and their median and mean over scenes."""
    scores = {name: tally.scores() for name, tally in by_scene.items()}
    pooled = _Tally.pooled(list(by_scene.values()))
    between: dict[str, dict[str, float | None]] = {"median": {}, "mean": {}}
    for key in SUMMARIZED:
        values = [one[key] for one in scores.values()]
        known = np.array([value for value in values if value is not None], float)
        known = known[np.isfinite(known)]
        between["median"][key], between["mean"][key] = _median(known), _mean(known)
    return {
        "scenes": scores,
        "pooled": pooled.scores(),
        **between,
        "tiles": tile_scores(pooled.map.tiles),
    }


def _score_scene(
    scene: FootprintScene, split: pd.DataFrame, classes: ClassTable, splits: Sequence[str]
) -> dict[str, _Tally]:
    """Return the tallies of one scene by split; splits without a pixel to score are left out."""
    ground = split_ground(scene.name, split, splits, scene.all_test)
    if not ground:
        return {}
    positive = positive_id(classes)
    counted = count_pixels(scene.map, scene.labels, positive, ground)
    predicted, true = read_footprints(scene.footprints), read_footprints(scene.truth)
    match, grid = match_tables(predicted, true), scene.labels.grid
    here = Placed(grid, np.asarray(predicted.geometry.array, object), scene.labels)
    there = Placed(grid, np.asarray(true.geometry.array, object), scene.labels)
    errors = _errors(here.shapes[match.pairs[:, 0]], there.shapes[match.pairs[:, 1]], grid)
    counts = counts_of(true)
    return {
        name: _tally(match, here.within(tiles), there.within(tiles) & counts, errors, counted[name])
        for name, tiles in ground.items()
        if counted[name].counts.any()
    }


def split_ground(
    scene: str, split: pd.DataFrame, splits: Sequence[str], all_test: bool
) -> dict[str, pd.DataFrame | None]:
    """Return the tiles of each split that a scene has ground in; None is the whole scene."""
    if all_test:
        return {"test": None} if "test" in splits else {}
    tiles = split[split["scene"] == scene]
    return {name: some for name in splits for some in [tiles[tiles["split"] == name]] if len(some)}


def counts_of(true: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """Return which true footprints count: those that the scene's border does not cut to a rest."""
    if "share" not in true:
        return np.ones(len(true), bool)
    return true["share"].to_numpy(float) >= LEAST_SHARE


def match_tables(predicted: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> Match:
    """Match two tables of footprints of a scene; see `match_footprints`."""
    return match_footprints(
        np.asarray(predicted.geometry.array, object),
        np.asarray(true.geometry.array, object),
        counts_of(true),
    )


class Placed:
    """Footprints of a scene, and where they belong.

    Args:
        grid: Grid of the scene.
        shapes: Polygons in its CRS.
        labels: Its hard labels; without, all ground counts as labelled.

    Attributes:
        grid: Grid of the scene.
        shapes: The polygons.
        places: int64 (n, 2): row and column of a pixel in each.
    """

    def __init__(
        self, grid: Grid, shapes: NDArray[np.object_], labels: HardLabels | None = None
    ) -> None:
        self.grid = grid
        self.shapes = shapes
        points = shapely.get_coordinates(shapely.point_on_surface(shapes)).reshape(-1, 2)
        x, y = ~self.grid.affine @ (points[:, 0], points[:, 1])
        inside = np.clip(np.floor([y, x]).T, 0, np.array(self.grid.shape) - 1)
        self.places = inside.astype(np.int64).reshape(-1, 2)
        self._labelled = np.ones(len(shapes), bool) if labels is None else self._known(labels)

    def _known(self, labels: HardLabels) -> NDArray[np.bool_]:
        """Return which footprints have labelled ground at their point, read block by block."""
        known = np.zeros(len(self.shapes), bool)
        blocks = self.places // _BLOCK
        for block in np.unique(blocks, axis=0):
            here = np.flatnonzero((blocks == block).all(axis=1))
            places = self.places[here]
            corner = places.min(axis=0)
            y, x, height, width = (int(n) for n in (*corner, *(np.ptp(places, axis=0) + 1)))
            rows, columns = (places - corner).T
            known[here] = labels.hard(y, x, height, width)[rows, columns] > 0
        return known

    def within(self, tiles: pd.DataFrame | None) -> NDArray[np.bool_]:
        """Return which footprints lie on labelled ground of some tiles; None is all ground."""
        if tiles is None:
            return self._labelled
        y, x, size = (tiles[name].to_numpy(float) for name in ("y", "x", "size"))
        tree = shapely.STRtree(shapely.box(x, y, x + size, y + size))
        points = shapely.points(self.places[:, ::-1] + 0.5)
        inside = np.zeros(len(points), bool)
        inside[tree.query(points, predicate="intersects")[0]] = True
        return inside & self._labelled


def _errors(
    one: NDArray[np.object_], other: NDArray[np.object_], grid: Grid
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the boundary errors of pairs in metres (NaN without georeference) and in pixels."""
    a, b, _, d, e, _ = grid.transform
    metres = pixel_ground(grid if grid.crs else None)
    to_ground = metres @ np.linalg.inv([[a, b], [d, e]])
    pixel = float(np.sqrt(abs(np.linalg.det(metres))))
    moved = [
        shapely.transform(shapes, lambda points: points @ to_ground.T) for shapes in (one, other)
    ]
    errors = boundary_errors(moved[0], moved[1], _SPACING * pixel)
    return (errors if grid.crs else np.full(len(errors), np.nan)), errors / pixel


def _tally(
    match: Match,
    predicted: NDArray[np.bool_],
    true: NDArray[np.bool_],
    errors: tuple[NDArray[np.float64], NDArray[np.float64]],
    counted: PixelCounts,
) -> _Tally:
    """Return what counts in one split."""
    predicted = predicted & ~match.ignored
    right, found = match.pairs[:, 0], match.pairs[:, 1]
    here = true[found]
    return _Tally(
        {
            "predicted": int(predicted.sum()),
            "true": int(true.sum()),
            "matched_predicted": int(predicted[right].sum()),
            "matched_true": int(here.sum()),
        },
        int((true & (match.held > 1)).sum()),
        int((predicted & (match.holding > 1)).sum()),
        match.iou[here],
        errors[0][here],
        errors[1][here],
        counted,
    )


def write_scores(path: str | os.PathLike[str], metrics: dict[str, Any]) -> None:
    """Write the scores as CSV: a row a scene and split, then pooled, median and mean.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    columns = (*_COUNTS, *SUMMARIZED)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "scene", *columns])
    for name, scores in metrics["splits"].items():
        rows = {**scores["scenes"]}
        rows |= {f"({key})": scores[key] for key in ("pooled", "median", "mean")}
        for scene, row in rows.items():
            writer.writerow([name, scene, *(_cell(row.get(key)) for key in columns)])
    write_text(path, text.getvalue())


def _cell(value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.5f}"
