"""Scoring maps against labels on the mosaic: every valid pixel of a split exactly once."""

from __future__ import annotations

import csv
import io
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.config.experiments import EvaluateConfig
from nadir.errors import InputError
from nadir.provenance.atomic import write_text
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.confusion import empty_confusion, summary, update_confusion
from nadir.segmentation.fine import FineTally, ShareLabels
from nadir.segmentation.split_ground import paint_tiles

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_BLOCK = 1024  # side of the windows that are scored at a time: two tiles of a map
_LEFT_OUT = ("unlabelled", "unmapped", "unsure")


class HardLabels(ShareLabels, Protocol):
    """What scoring needs of labels (`nadir.raster.labels.Labels`).

    Shares are looked at only where the fine mask is scored against.
    """

    @property
    def grid(self) -> Grid:
        """Their grid."""

    def hard(self, y: int, x: int, height: int, width: int) -> NDArray[np.uint8]:
        """Return class ids (height, width), 0 = no label."""


@dataclass(frozen=True)
class MappedScene:
    """A scene with a map and labels.

    Attributes:
        name: Name of the scene, as in the split.
        map: The map (uint8 class ids, 0 = no data).
        labels: The truth, on the map's grid.
        all_test: Whether every pixel belongs to the test, whatever the split says.
        confidence: The confidence layer; needed only when pixels are left out by confidence.
    """

    name: str
    map: str | os.PathLike[str]
    labels: HardLabels
    all_test: bool = False
    confidence: str | os.PathLike[str] | None = None


@dataclass
class _Tally:
    """What was counted of one split."""

    confusion: np.ndarray
    fine: FineTally | None = None
    left_out: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_LEFT_OUT, 0))

    def add(self, other: _Tally) -> None:
        """Add another tally."""
        self.confusion += other.confusion
        for cause, count in other.left_out.items():
            self.left_out[cause] += count
        if self.fine is not None and other.fine is not None:
            self.fine.add(other.fine)

    def scores(self) -> dict[str, Any]:
        """Return the scores, the confusion matrix and the pixels left out by cause."""
        return {
            **summary(self.confusion),
            "confusion": self.confusion.tolist(),
            "left_out": dict(self.left_out),
            **({"fine": self.fine.scores()} if self.fine is not None else {}),
        }


def evaluate_maps(
    scenes: Sequence[MappedScene],
    split: pd.DataFrame,
    classes: ClassTable,
    cfg: EvaluateConfig,
    *,
    method: str,
    leakage: dict[str, Any] | None = None,
    model: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Score the maps of an experiment, split by split, over all its scenes.

    A pixel belongs to a split when any of the split's tiles covers it; overlapping tiles count it
    once. Pixels without a label, without a map, or mapped with less confidence than asked for are
    left out, and counted in this order by cause.

    Args:
        scenes: The scenes.
        split: Columns scene, y, x, size, split; tiles of all learning scenes.
        classes: The class table.
        cfg: Which splits, and the least confidence.
        method: How the tiles were split; `random` is named leaky.
        leakage: Content of `leakage.json` (`nadir.tiles.leakage.certify`), if known.
        model: Run card of the model, content of `card.json`; see `model_facts`.

    Returns:
        Content of `metrics.json`: `classes` (names), `split` (method, leaky, tiles,
        train_to_test_m), `model`, and in
        `splits` for each split the scores of `nadir.segmentation.confusion.summary`, `confusion`,
        `left_out` (unlabelled, unmapped, unsure), `fine` (the scores against the fine mask itself,
        where they are asked for; see `nadir.segmentation.fine`) and `scenes` (scene by scene);
        `unused_pixels`: labelled and mapped pixels in none of the three splits (buffers, dropped
        tiles), by scene. A split without a single pixel to score is left out with a warning.

    Raises:
        InputError: When a map cannot be read, has another size than its labels, or holds ids
            outside the class table; or when no split has a pixel to score.
    """
    totals: dict[str, _Tally] = {}
    by_scene: dict[str, dict[str, _Tally]] = {name: {} for name in cfg.splits}
    unused: dict[str, int] = {}
    for scene in scenes:
        tallies, unused[scene.name] = _score_scene(scene, split, classes, cfg)
        for name, tally in tallies.items():
            by_scene[name][scene.name] = tally
            totals.setdefault(name, _tally(classes, cfg)).add(tally)
    scored: dict[str, Any] = {}
    for name in cfg.splits:
        if name not in totals or not totals[name].confusion.any():
            log.warning("split %s has no pixel to score", name)
            continue
        scored[name] = totals[name].scores() | {
            "scenes": {scene: tally.scores() for scene, tally in by_scene[name].items()}
        }
    if not scored:
        raise InputError(
            scenes[0].map if scenes else "the split",
            "no split has a single pixel that is both labelled and mapped",
            "See that the labels cover the tiles, and lower evaluate.min_confidence if it is set.",
        )
    return {
        "classes": classes.names[1:],
        "split": _split_facts(method, leakage or {}),
        "model": model_facts(model or {}),
        "min_confidence": cfg.min_confidence,
        "splits": scored,
        "unused_pixels": unused,
    }


def _tally(classes: ClassTable, cfg: EvaluateConfig) -> _Tally:
    """Return the tally of nothing."""
    return _Tally(
        empty_confusion(classes.count), FineTally.empty(classes.count) if cfg.fine else None
    )


def _split_facts(method: str, leakage: dict[str, Any]) -> dict[str, Any]:
    """Return how the tiles were split, and whether the test shares ground with the training."""
    facts: dict[str, Any] = {
        "method": method,
        "leaky": method == "random" or leakage.get("verdict") == "leaky",
    }
    if "tiles" in leakage:
        facts["tiles"] = leakage["tiles"]
    for pair in leakage.get("pairs", []):
        if set(pair["splits"]) == {"train", "test"}:
            facts["train_to_test_m"] = pair["distance_m"]
    return facts


def _score_scene(
    scene: MappedScene, split: pd.DataFrame, classes: ClassTable, cfg: EvaluateConfig
) -> tuple[dict[str, _Tally], int]:
    """Return the tallies of one scene by split, and its usable pixels in no split."""
    tiles = split[split["scene"] == scene.name]
    groups = {name: tiles[tiles["split"] == name] for name in ("train", "validation", "test")}
    wanted: list[str] = [
        name
        for name in cfg.splits
        if (name == "test" and scene.all_test) or (not scene.all_test and len(groups[name]))
    ]
    tallies = {name: _tally(classes, cfg) for name in wanted}
    unused = 0
    for (y, x, height, width), mapped, unsure in _map_blocks(scene, classes, cfg.min_confidence):
        truth = scene.labels.hard(y, x, height, width)
        usable = (truth > 0) & (mapped > 0)
        if scene.all_test:
            masks = {"test": np.ones(truth.shape, bool)}
        else:
            masks = {n: paint_tiles(group, y, x, height, width) for n, group in groups.items()}
        covered = np.zeros(truth.shape, bool)
        for name, mask in masks.items():
            covered |= mask
            if name in tallies:
                tally = tallies[name]
                update_confusion(tally.confusion, truth, mapped, mask & ~unsure)
                if tally.fine is not None:
                    shown = np.where(mask & ~unsure, mapped, np.uint8(0))
                    tally.fine.count(scene.labels, (y, x, height, width), shown)
                tally.left_out["unlabelled"] += int((mask & (truth == 0)).sum())
                tally.left_out["unmapped"] += int((mask & (truth > 0) & (mapped == 0)).sum())
                tally.left_out["unsure"] += int((mask & usable & unsure).sum())
        unused += int((usable & ~covered).sum())
    return tallies, unused


def _map_blocks(
    scene: MappedScene, classes: ClassTable, least: float
) -> Iterator[tuple[tuple[int, int, int, int], NDArray[np.uint8], NDArray[np.bool_]]]:
    """Yield the map of a scene window by window: (y, x, height, width), ids, whether unsure."""
    with ExitStack() as stack:
        dataset = stack.enter_context(open_raster(str(scene.map)))
        _check_size(scene.map, dataset, scene.labels.grid)
        sure: rasterio.DatasetReader | None = None
        if least > 0:
            if scene.confidence is None:
                raise InputError(
                    scene.map,
                    "evaluate.min_confidence is set, but the map has no confidence layer",
                    "Give confidence.tif too, or set min_confidence to 0.",
                )
            sure = stack.enter_context(open_raster(str(scene.confidence)))
            _check_size(scene.confidence, sure, scene.labels.grid)
        height, width = dataset.shape
        for y in range(0, height, _BLOCK):
            for x in range(0, width, _BLOCK):
                place = y, x, min(_BLOCK, height - y), min(_BLOCK, width - x)
                window = Window(x, y, place[3], place[2])
                mapped = dataset.read(1, window=window)
                if mapped.max() > classes.count:
                    raise InputError(
                        scene.map,
                        f"it holds class id {mapped.max()}, but there are {classes.count} classes",
                        "Predict the map again with a model of this class table.",
                    )
                if sure is None:
                    unsure = np.zeros(mapped.shape, bool)
                else:
                    unsure = sure.read(1, window=window) < 100 * least
                yield place, mapped, unsure


def _check_size(path: str | os.PathLike[str], dataset: rasterio.DatasetReader, grid: Grid) -> None:
    """See that a raster lies on the grid of the labels."""
    if not Grid.of(dataset).same_as(grid):
        height, width = dataset.shape
        problem = "lies elsewhere than the labels"
        if dataset.shape != grid.shape:
            problem = f"is {width} x {height} pixels, the labels {grid.width} x {grid.height}"
        raise InputError(path, f"it {problem}", "Predict the map again from this very scene.")


def model_facts(card: dict[str, Any]) -> dict[str, Any]:
    """Return what tables say of a model, from its run card: nothing that varies between runs.

    Args:
        card: Content of `card.json` (`nadir.learn.card`).

    Returns:
        `name` (with the encoder, if any), `parameters` (None where a model has none), `epochs`
        and `best_epoch` (for networks), `trees` (for forests).
    """
    model = card.get("configuration", {}).get("model", {})
    result = card.get("result", {})
    name = str(model.get("name", "unknown"))
    if model.get("encoder"):
        name += f" ({model['encoder']})"
    facts = {"name": name, "parameters": result.get("parameters")}
    kept = ("epochs", "best_epoch", "trees")
    return facts | {key: result[key] for key in kept if key in result}


def write_confusion(
    path: str | os.PathLike[str], metrics: dict[str, Any], split: str = "test"
) -> None:
    """Write the confusion matrix of one split as CSV: counts, then percent of each true class.

    Args:
        path: The CSV to write.
        metrics: What `evaluate_maps` returned.
        split: Which split; when it was not scored, the last one that was.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    split = split if split in metrics["splits"] else list(metrics["splits"])[-1]
    names = metrics["classes"]
    counts = np.array(metrics["splits"][split]["confusion"], np.int64)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class", *names, "pixels", *(f"{name} (%)" for name in names)])
    for name, row in zip(names, counts, strict=True):
        total = int(row.sum())
        shares = [f"{100 * int(value) / total:.3f}" if total else "" for value in row]
        writer.writerow([name, *row.tolist(), total, *shares])
    write_text(path, text.getvalue())
