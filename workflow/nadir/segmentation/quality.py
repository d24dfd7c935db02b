"""Everything that is known of how far a map may be trusted, in one document."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.config.quality import AreaConfig, QualityConfig
from nadir.raster.geotiff import open_raster
from nadir.segmentation.area import (
    AreaEstimate,
    accuracies,
    allocation,
    block_areas,
    robust_areas,
)
from nadir.segmentation.confusion import macro_mean, summary
from nadir.segmentation.footprint_extract import pixel_ground
from nadir.segmentation.map_quality import (
    JudgedScene,
    MapQuality,
    block_rows,
    boundary_scores,
    draw_numbers,
    drawn_blocks,
    grouped_scores,
    judge_maps,
    matrices_of,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_CHUNK = 1024
_TAG = 4201


def judge_quality(
    scenes: Sequence[JudgedScene],
    classes: ClassTable,
    cfg: QualityConfig,
    *,
    side: int,
    split: str,
    fitted_here: bool = False,
    probability: dict[str, Any] | None = None,
    seed: int = 0,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Judge the maps of an experiment beyond one score.

    Args:
        scenes: Scenes with held-out ground.
        classes: The class table.
        cfg: What to look at.
        side: Side of the blocks, in pixels.
        split: Name of the split that the ground belongs to.
        fitted_here: Whether temperature and class sets were fitted on this very ground, so that
            what is found of them flatters.
        probability: What `calibrate.judge_calibration` found on the same ground.
        seed: Of the sample that areas are estimated from.

    Returns:
        Content of `quality.json`: `classes`, `split`, `fitted_here`, `block` (side), `blocks`
        (their number), `draws` (blocks of the split that they lie in), `scores`
        (`confusion.summary`), `confusion`, `boundary` (width, iou, miou), `distance` and `purity`
        (rows of `grouped_scores`), `places` (rows of `block_rows`), `worst` (those of the worst
        blocks), `areas` (scene -> see `scene_areas`) and `probability`; and the table of
        blocks (`map_quality.BLOCK_COLUMNS`).

    Raises:
        InputError: When a map does not fit its labels.
    """
    found = judge_maps(scenes, classes, cfg, side)
    table = found.table()
    places, matrices = matrices_of(table, classes.count)
    rows = block_rows(places, matrices)
    bands = boundary_scores(found.band)
    facts = {
        "classes": classes.names[1:],
        "split": split,
        "fitted_here": fitted_here,
        "block": side,
        "blocks": len(rows),
        "draws": len(np.unique(draw_numbers(places))),
        "scores": summary(matrices.sum(axis=0)),
        "confusion": matrices.sum(axis=0).tolist(),
        "boundary": {
            "width": cfg.boundary,
            "iou": bands.tolist(),
            "miou": macro_mean(bands),
        },
        "distance": grouped_scores(found.distance, cfg.distances, ("above", "upto")),
        "purity": grouped_scores(found.purity, cfg.purities, ("from", "below")),
        "places": rows,
        "worst": worst_blocks(rows, cfg.worst),
        "areas": {
            scene.name: scene_areas(scene, found, table, classes, cfg.area, seed)
            for scene in scenes
        },
        "probability": probability,
    }
    return facts, table


def worst_blocks(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Return the blocks with the most wrong pixels for their size, at least half as full as most.

    Ranked by accuracy: the mean IoU of a block of few classes leaps with a single pixel.
    """
    if not rows:
        return []
    full = np.median([row["pixels"] for row in rows])
    there = [row for row in rows if row["pixels"] >= full / 2]
    return sorted(there, key=lambda row: (row["accuracy"], row["scene"], row["y"], row["x"]))[
        :count
    ]


def scene_areas(
    scene: JudgedScene,
    found: MapQuality,
    table: pd.DataFrame,
    classes: ClassTable,
    cfg: AreaConfig,
    seed: int,
) -> dict[str, Any]:
    """Estimate the area of each class over a whole scene.

    Returns:
        `unit` (`ha`, or `px` without a georeference), `design`, `level`, `degrees` (of freedom,
        None for independent pixels), `sampled` (pixels), `unseen` (classes of the map of which
        nothing was sampled) and `classes`: name -> `mapped`, `area`, `error`, `low`, `high`. For
        the design `pixels` also `accuracy`, see `sampled_accuracy`.
    """
    grid = scene.labels.grid
    pixel = float(abs(np.linalg.det(pixel_ground(grid)))) / 1e4 if grid.crs else 1.0
    mapped = found.mapped[scene.name]
    strata = np.asarray(mapped * pixel, np.float64)
    if cfg.design == "blocks":
        places, matrices = matrices_of(table[table["scene"] == scene.name], classes.count)
        matrices = drawn_blocks(places, matrices)
        counts = matrices.transpose(0, 2, 1)  # strata are the map's classes
        share = min(counts.sum() / max(mapped.sum(), 1), 0.999)
        estimate = block_areas(counts, strata, cfg.level, float(share))
        accuracy = {}
    else:
        counts = stratified_sample(scene, classes.count, cfg, seed)
        estimate = robust_areas(counts, strata, cfg.level)
        accuracy = {"accuracy": sampled_accuracy(counts, strata, classes.names[1:])}
    return {
        "unit": "ha" if grid.crs else "px",
        "design": cfg.design,
        "level": cfg.level,
        "degrees": None if np.isinf(estimate.degrees) else estimate.degrees,
        "sampled": int(counts.sum()),
        "unseen": [classes.names[number + 1] for number in estimate.unseen],
        "classes": _with_mapped(estimate, strata, classes.names[1:]),
        **accuracy,
    }


def sampled_accuracy(
    counts: NDArray[np.int64], strata: NDArray[np.float64], names: Sequence[str]
) -> dict[str, Any]:
    """Return the accuracies of a map by a sample of pixels, with standard errors.

    Args:
        counts: (K, K) sampled pixels, map x truth.
        strata: (K,) size of each class on the map.
        names: Of the classes.

    Returns:
        `overall`, `overall_error`, and `classes`: name -> `users`, `users_error`, `producers`,
        `producers_error`; None where nothing, or too little, was sampled.
    """
    if not counts.any():
        return {"overall": None, "overall_error": None, "classes": {}}
    found: dict[str, Any] = accuracies(counts, strata)
    rows = {
        name: {
            key: found[key][number] if np.isfinite(found[key][number]) else None
            for key in ("users", "users_error", "producers", "producers_error")
        }
        for number, name in enumerate(names)
    }
    return {**{key: found[key] for key in ("overall", "overall_error")}, "classes": rows}


def _with_mapped(
    estimate: AreaEstimate, mapped: NDArray[np.float64], names: list[str]
) -> dict[str, Any]:
    rows = estimate.as_dict(names)
    for name, area in zip(names, mapped, strict=True):
        for key, value in rows[name].items():
            rows[name][key] = value if np.isfinite(value) else None
        rows[name] = {"mapped": float(area), **rows[name]}
    return rows


def stratified_sample(
    scene: JudgedScene, count: int, cfg: AreaConfig, seed: int
) -> NDArray[np.int64]:
    """Draw labelled pixels at random within each class of the map; return map x truth, (K, K).

    Held-out or not does not matter here: the map is given, and the pixels are drawn anew.
    """
    sizes = np.zeros(count, np.int64)
    for mapped, truth in _pairs(scene):
        sizes += np.bincount(mapped[(truth > 0) & (mapped > 0)], minlength=count + 1)[1:]
    wanted = allocation(sizes, cfg.sample, cfg.least)
    rng = np.random.default_rng([seed, _TAG])
    chosen = [
        np.sort(rng.choice(int(size), int(number), replace=False))
        for size, number in zip(sizes, wanted, strict=True)
    ]
    passed = np.zeros(count, np.int64)
    found = np.zeros((count, count), np.int64)
    for mapped, truth in _pairs(scene):
        usable = (truth > 0) & (mapped > 0)
        for k in np.flatnonzero(wanted).tolist():
            here = truth[usable & (mapped == k + 1)]
            ranks = chosen[k] - passed[k]
            ranks = ranks[(ranks >= 0) & (ranks < len(here))]
            found[k] += np.bincount(here[ranks], minlength=count + 1)[1:]
            passed[k] += len(here)
    return found


def _pairs(scene: JudgedScene) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield map and truth of a scene, window by window."""
    with open_raster(str(scene.map)) as dataset:
        rows, columns = dataset.shape
        for y in range(0, rows, _CHUNK):
            for x in range(0, columns, _CHUNK):
                height, width = min(_CHUNK, rows - y), min(_CHUNK, columns - x)
                mapped = dataset.read(1, window=Window(x, y, width, height))
                yield mapped, scene.labels.hard(y, x, height, width)
