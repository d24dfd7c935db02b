"""Statistics of training pixels: exact, mergeable, in one pass and bounded memory.

Cubes hold 16-bit integers, so the histogram of a band holds all there is to know: counts, sums and
squares are integers without rounding, percentiles are true order statistics, and the statistics
of scenes merge by adding histograms. Nothing is stored for a pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from nadir.errors import InputError
from nadir.raster.blocks import run_blocks
from nadir.tiles.cells import scene_blocks
from nadir.tiles.scene import CubeLike, LabelsLike
from nadir.tiles.table import windows_of

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

LEVELS = 1 << 16
PERCENTILES = (1, 5, 50, 95, 99)


@dataclass
class SceneStatistics:
    """What the training pixels of one or more scenes hold.

    Attributes:
        scenes: Names of the scenes.
        dates: Names of the dates, of the first scene.
        bands: Names of the bands.
        histograms: For each date a mapping (scale, offset) -> (bands, 65536) int64 counts of raw
            values: reflectance = scale * (raw + offset).
        pixels: Class id 0..K -> number of training pixels that are valid on some date.
        tiles: Number of training tiles.
    """

    scenes: list[str]
    dates: list[str]
    bands: list[str]
    histograms: list[dict[tuple[float, float], np.ndarray]]
    pixels: np.ndarray
    tiles: int


def statistics_of_scene(
    cube: CubeLike,
    labels: LabelsLike,
    split: pd.DataFrame,
    scene: str,
    classes: int,
    workers: int | None = 1,
) -> SceneStatistics:
    """Collect the statistics of one scene's training tiles.

    Only valid pixels of training tiles count, each once, however many tiles hold it. Blocks
    without a training tile are not read.

    Args:
        cube: Imagery of the scene.
        labels: Labels on its grid.
        split: The split (`split_tiles`); other scenes' rows are passed over.
        scene: Name of the scene.
        classes: Number of classes K.
        workers: Blocks that are read at a time; None for one per processor.

    Returns:
        The statistics, to be merged.
    """
    rows = split[(split["scene"] == scene) & (split["split"] == "train")]
    windows = windows_of(rows)
    shape = (len(cube.bands), LEVELS)
    dates = [str(date) for date in cube.dates]
    encodings = [(float(cube.scale[date]), float(cube.offset[date])) for date in cube.dates]
    counts = [np.zeros(shape, np.int64) for _ in dates]
    pixels = np.zeros(classes + 1, np.int64)
    lock = Lock()

    def read(block: tuple[int, int, int, int]) -> None:
        mask, (y, x, h, w) = _training_mask(windows, block)
        if mask is None:
            return
        raw, valid = cube.read(y, x, h, w)
        for date, histogram in enumerate(counts):
            chosen = mask & valid[date]
            for band in range(len(cube.bands)):
                part = np.bincount(raw[date, band][chosen], minlength=LEVELS)
                with lock:
                    histogram[band] += part
        seen = mask & valid.any(axis=0)
        by_class = np.bincount(labels.hard(y, x, h, w)[seen], minlength=classes + 1)
        with lock:
            np.add(pixels, by_class, out=pixels)

    blocks = scene_blocks(*cube.grid.shape)
    run_blocks(read, blocks, workers, describe=f"statistics of {scene}")
    return SceneStatistics(
        [scene],
        dates,
        [str(band) for band in cube.bands],
        [{encoding: histogram} for encoding, histogram in zip(encodings, counts, strict=True)],
        pixels,
        len(rows),
    )


def _training_mask(
    windows: np.ndarray, block: tuple[int, int, int, int]
) -> tuple[np.ndarray | None, tuple[int, int, int, int]]:
    """Return the union of windows within a block, cropped to it, and where the crop lies."""
    y, x, h, w = block
    top = np.maximum(windows[:, 0], y) - y
    left = np.maximum(windows[:, 1], x) - x
    bottom = np.minimum(windows[:, 0] + windows[:, 2], y + h) - y
    right = np.minimum(windows[:, 1] + windows[:, 3], x + w) - x
    here = np.flatnonzero((bottom > top) & (right > left))
    if not len(here):
        return None, block
    mask = np.zeros((h, w), bool)
    for number in here:
        mask[top[number] : bottom[number], left[number] : right[number]] = True
    y0, y1 = int(top[here].min()), int(bottom[here].max())
    x0, x1 = int(left[here].min()), int(right[here].max())
    return mask[y0:y1, x0:x1], (y + y0, x + x0, y1 - y0, x1 - x0)


def merge_statistics(parts: Sequence[SceneStatistics]) -> SceneStatistics:
    """Merge the statistics of scenes, exactly.

    Dates are matched by their order, as networks see them.

    Raises:
        InputError: When scenes differ in bands, number or order of dates, or number of classes.
    """
    first = parts[0]
    for part in parts[1:]:
        same_dates = part.dates == first.dates or (
            len(part.dates) == len(first.dates) and set(part.dates).isdisjoint(first.dates)
        )
        if part.bands != first.bands or not same_dates or len(part.pixels) != len(first.pixels):
            raise InputError(
                part.scenes[0],
                f"dates {part.dates} and bands {part.bands} do not fit those of"
                f" {first.scenes[0]}: {first.dates}, {first.bands}",
                "Give all scenes of a dataset the same bands and the same dates, in one order.",
            )
    histograms: list[dict[tuple[float, float], np.ndarray]] = []
    for date in range(len(first.dates)):
        merged: dict[tuple[float, float], np.ndarray] = {}
        for part in parts:
            for encoding, counts in part.histograms[date].items():
                merged[encoding] = merged[encoding] + counts if encoding in merged else counts
        histograms.append(dict(sorted(merged.items())))
    return SceneStatistics(
        [name for part in parts for name in part.scenes],
        first.dates,
        first.bands,
        histograms,
        np.sum([part.pixels for part in parts], axis=0),
        sum(part.tiles for part in parts),
    )


def summarize(statistics: SceneStatistics, class_names: Sequence[str]) -> dict[str, Any]:
    """Return the content of `statistics.json`.

    Args:
        statistics: Of all learning scenes, merged.
        class_names: Names by id, position 0 is "no data".

    Returns:
        bands, dates; mean, std (of the population), min, max: [date][band] in reflectance;
        percentiles: percentile -> [date][band] (linear between order statistics, as
        `numpy.percentile`); pixels: [date] number of valid training pixels; classes: name ->
        number of training pixels (valid on some date); unlabelled: the same for "no data"; tiles;
        scenes.

    Raises:
        InputError: When a date has no valid training pixel, or a band is constant in training.
    """
    shape = (len(statistics.dates), len(statistics.bands))
    results = {key: np.zeros(shape) for key in ("mean", "std", "min", "max")}
    percentiles = {level: np.zeros(shape) for level in PERCENTILES}
    pixels = []
    where = ", ".join(statistics.scenes)
    for date, histograms in enumerate(statistics.histograms):
        for band, name in enumerate(statistics.bands):
            counts = {code: histogram[band] for code, histogram in histograms.items()}
            total = sum(int(count.sum()) for count in counts.values())
            if not total:
                raise InputError(
                    where,
                    f"no training tile has a valid pixel on date {statistics.dates[date]!r}",
                    "Check the no-data of that date, or split with another seed.",
                )
            values, weights = _values(counts)
            if len(values) == 1:
                raise InputError(
                    where,
                    f"band {name} of date {statistics.dates[date]!r} has the same value"
                    f" ({values[0]:g}) in all {total} training pixels",
                    "Leave the band out (`bands`), or check the file: it carries nothing to learn.",
                )
            results["mean"][date, band], results["std"][date, band] = _moments(counts, total)
            results["min"][date, band], results["max"][date, band] = values[0], values[-1]
            for level, value in zip(PERCENTILES, _percentiles(values, weights), strict=True):
                percentiles[level][date, band] = value
        pixels.append(total)
    return {
        "scenes": statistics.scenes,
        "bands": statistics.bands,
        "dates": statistics.dates,
        **{key: value.tolist() for key, value in results.items()},
        "percentiles": {str(level): value.tolist() for level, value in percentiles.items()},
        "pixels": pixels,
        "classes": {
            name: int(n) for name, n in zip(class_names[1:], statistics.pixels[1:], strict=True)
        },
        "unlabelled": int(statistics.pixels[0]),
        "tiles": statistics.tiles,
    }


def compute_statistics(
    cubes: Sequence[CubeLike],
    labels: Sequence[LabelsLike],
    scenes: Sequence[str],
    split: pd.DataFrame,
    class_names: Sequence[str],
    workers: int | None = 1,
) -> dict[str, Any]:
    """Return the content of `statistics.json` for learning scenes.

    Args:
        cubes: Imagery of the scenes.
        labels: Labels of the scenes, in the same order.
        scenes: Names of the scenes, in the same order.
        split: The split (`split_tiles`).
        class_names: Names by id, position 0 is "no data".
        workers: Blocks that are read at a time; None for one per processor.

    Returns:
        See `summarize`.

    Raises:
        InputError: As `merge_statistics` and `summarize` do.
    """
    parts = [
        statistics_of_scene(cube, label, split, scene, len(class_names) - 1, workers)
        for cube, label, scene in zip(cubes, labels, scenes, strict=True)
    ]
    merged = merge_statistics(parts)
    _log.info("statistics of %d training tiles in %d scenes", merged.tiles, len(parts))
    return summarize(merged, class_names)


def _values(counts: dict[tuple[float, float], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the reflectances that occur, rising, and how often each does."""
    values, weights = [], []
    for (scale, offset), histogram in counts.items():
        levels = np.flatnonzero(histogram)
        values.append((levels + offset) * scale)
        weights.append(histogram[levels])
    unique, inverse = np.unique(np.concatenate(values), return_inverse=True)
    total = np.zeros(len(unique), np.int64)
    np.add.at(total, inverse, np.concatenate(weights))
    return unique, total


def _moments(counts: dict[tuple[float, float], np.ndarray], total: int) -> tuple[float, float]:
    """Return mean and standard deviation of the population.

    Sums within one encoding are exact integers; encodings are combined as in Chan, Golub and
    LeVeque 1983, doi:10.1080/00031305.1983.10483115.
    """
    parts = []
    for (scale, offset), histogram in counts.items():
        levels = np.flatnonzero(histogram)
        many = int(histogram.sum())
        if not many:
            continue
        exact = [(int(level), int(histogram[level])) for level in levels]
        first = sum(level * n for level, n in exact)
        second = sum(level * level * n for level, n in exact)
        squares = (many * second - first * first) / many  # integers, rounded only here
        parts.append((many, scale * (first / many + offset), scale * scale * squares))
    mean = sum(many * part for many, part, _ in parts) / total
    squares = sum(part + many * (middle - mean) ** 2 for many, middle, part in parts)
    return mean, float(np.sqrt(squares / total))


def _percentiles(values: np.ndarray, weights: np.ndarray) -> list[float]:
    """Return the percentiles of values with multiplicities, linear between order statistics."""
    ends = np.cumsum(weights)
    results = []
    for level in PERCENTILES:
        rank = (int(ends[-1]) - 1) * level / 100
        low = int(np.floor(rank))
        below, above = values[np.searchsorted(ends, [low, min(low + 1, ends[-1] - 1)], "right")]
        results.append(float(below + (above - below) * (rank - low)))
    return results
