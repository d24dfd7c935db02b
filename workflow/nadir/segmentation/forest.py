"""The baseline that knows no neighbourhood: a random forest over each pixel's bands."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from nadir.config.experiments import RandomForest, TrainConfig
from nadir.learn.bundle import save_bundle
from nadir.learn.history import write_history
from nadir.segmentation.confusion import (
    accuracy,
    dice,
    empty_confusion,
    iou,
    macro_mean,
    update_confusion,
)
from nadir.segmentation.dataset import TrainingData
from nadir.segmentation.describe import describe_model
from nadir.segmentation.normalize import normalize
from nadir.segmentation.patches import Window, affine_of
from nadir.segmentation.train import MapSession
from nadir.segmentation.trees import Trees

log = logging.getLogger(__name__)

_STREAM = 77


def fit_forest(
    data: TrainingData, model_cfg: RandomForest, cfg: TrainConfig, session: MapSession
) -> dict[str, Any]:
    """Fit a forest on pixels of the training tiles; write the same products as for a network.

    Args:
        data: What to learn from.
        model_cfg: The forest.
        cfg: The training's section: only its seed counts.
        session: How and where; the result does not depend on the threads.

    Returns:
        Facts for the run card: device, seconds, result.
    """
    started = time.perf_counter()
    rng = np.random.default_rng([session.seed, cfg.seed, _STREAM])
    pixels, labels = sample_pixels(data, data.train, model_cfg.pixels, rng)
    log.info("fitting %d trees to %d pixels", model_cfg.trees, len(pixels))
    forest = RandomForestClassifier(
        n_estimators=model_cfg.trees,
        max_depth=model_cfg.max_depth,
        min_samples_leaf=model_cfg.min_leaf,
        random_state=int(rng.integers(2**31)),
        n_jobs=session.threads,
    )
    forest.fit(pixels, labels - 1)
    trees = Trees.from_sklearn(forest, data.table.count)
    fitted = time.perf_counter() - started
    row = _validate(data, trees, session.threads)
    row["seconds"] = time.perf_counter() - started
    row["pixels_per_second"] = len(pixels) / fitted
    save_bundle(session.folder, describe_model(data, model_cfg, session.keys), trees.tensors())
    write_history(session.folder / "history.parquet", [row])
    return {
        "device": "cpu",
        "seconds": row["seconds"],
        "result": {
            "trees": model_cfg.trees,
            "nodes": len(trees.feature),
            "training_pixels": len(pixels),
            "training_tiles": len(data.train),
            "validation_tiles": len(data.validation),
            "validation_miou": row["validation_miou"],
        },
    }


def sample_pixels(
    data: TrainingData, windows: Sequence[Window], most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw labelled pixels, as many from each tile as its share of all labelled pixels.

    Args:
        data: Scenes and statistics.
        windows: The tiles.
        most: Number of pixels to draw; all of them when there are fewer.
        rng: Random generator.

    Returns:
        float32 (n, date * band) normalized values, and uint8 (n,) ids 1..K.
    """
    known = [int(np.count_nonzero(_read(data, window)[1])) for window in windows]
    total = sum(known)
    quota = _shares(known, most) if total > most else known
    values, labels = [], []
    for window, wanted, there in zip(windows, quota, known, strict=True):
        if not wanted:
            continue
        image, ids = _read(data, window)
        where = np.flatnonzero(ids)
        chosen = where if wanted == there else np.sort(rng.choice(where, wanted, replace=False))
        values.append(image[:, chosen].T)
        labels.append(ids[chosen])
    return np.ascontiguousarray(np.concatenate(values)), np.concatenate(labels)


def _read(data: TrainingData, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Return normalized values (channel, pixel) and ids (pixel,), 0 where no date is valid."""
    scene = data.scenes[window.scene]
    box = (window.y, window.x, window.size, window.size)
    raw, valid = scene.cube.read(*box)
    gain, bias = affine_of(scene.cube, data.statistics)
    values = normalize(raw[None], valid[None], gain, bias)[0]
    ids = np.where(valid.any(axis=0), scene.labels.hard(*box), np.uint8(0))
    return values.reshape(len(values), -1), ids.reshape(-1)


def _shares(known: Sequence[int], most: int) -> list[int]:
    """Split `most` in proportion to `known`, exactly (largest remainders, first ones win ties)."""
    exact = np.asarray(known, np.float64) * (most / sum(known))
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: most - int(whole.sum())]] += 1
    return np.minimum(whole, known).tolist()


def _validate(data: TrainingData, trees: Trees, threads: int) -> dict[str, float]:
    """Return the scores on the validation tiles as one row of a history."""
    matrix = empty_confusion(data.table.count)
    for window in data.validation:
        values, ids = _read(data, window)
        shares = trees.predict(np.ascontiguousarray(values.T), threads)
        update_confusion(matrix, ids, (shares.argmax(axis=1) + 1).astype(np.uint8))
    row = {
        "epoch": 1.0,
        "validation_miou": macro_mean(iou(matrix)),
        "validation_accuracy": accuracy(matrix),
    }
    for name, score in (("iou", iou(matrix)), ("dice", dice(matrix))):
        for title, value in zip(data.table.names[1:], score, strict=True):
            row[f"{name}/{title}"] = float(value)
    return row
