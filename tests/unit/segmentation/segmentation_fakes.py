"""Small scenes in memory, with the interface of the stores."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from nadir.config.classes import ClassTable, LandClass
from nadir.provenance.atomic import write_json
from nadir.provenance.manifest import Manifest, store_path
from nadir.raster import cube as cube_module
from nadir.raster import labels as labels_module
from nadir.segmentation.dataset import TrainingData
from nadir.segmentation.normalize import Statistics
from nadir.segmentation.patches import Scene, Window

TABLE = ClassTable(
    classes=tuple(
        LandClass(value=i, name=name, color=color)
        for i, (name, color) in enumerate(
            [
                ("field", "#e8d36a"),
                ("forest", "#1f6b35"),
                ("town", "#c0392b"),
                ("water", "#2e86c1"),
            ],
            1,
        )
    )
)
BANDS = ("B02", "B04", "B08")
DATES = ("april", "august")


class MemoryCube:
    """A cube in memory; reads beyond its border give 0 and invalid."""

    def __init__(self, raw, valid, scale=(1e-4, 1e-4), offset=(-1000.0, 0.0)):
        self._raw, self._valid = raw, valid
        self.scale, self.offset = (
            dict(zip(DATES, scale, strict=True)),
            dict(zip(DATES, offset, strict=True)),
        )
        self.bands, self.dates = BANDS, DATES

    def read(self, y, x, h, w):
        image = np.zeros((*self._raw.shape[:2], h, w), np.uint16)
        valid = np.zeros((len(self._valid), h, w), bool)
        height, width = self._raw.shape[-2:]
        top, left, bottom, right = max(y, 0), max(x, 0), min(y + h, height), min(x + w, width)
        if top < bottom and left < right:
            here = np.s_[..., top - y : bottom - y, left - x : right - x]
            there = np.s_[..., top:bottom, left:right]
            image[here], valid[here] = self._raw[there], self._valid[there]
        return image, valid


class MemoryLabels:
    """Labels in memory; 0 beyond the border."""

    def __init__(self, ids):
        self._ids = ids

    def hard(self, y, x, h, w):
        out = np.zeros((h, w), np.uint8)
        height, width = self._ids.shape
        top, left, bottom, right = max(y, 0), max(x, 0), min(y + h, height), min(x + w, width)
        if top < bottom and left < right:
            out[top - y : bottom - y, left - x : right - x] = self._ids[top:bottom, left:right]
        return out


def make_scene(seed, height=96, width=96):
    """Rectangles of classes with distinct spectra, some of it without label or image."""
    rng = np.random.default_rng([seed, 5])
    ids = np.ones((height, width), np.uint8)
    for _ in range(height * width // 300):
        y, x = rng.integers(0, height - 8), rng.integers(0, width - 8)
        ids[y : y + rng.integers(4, 24), x : x + rng.integers(4, 24)] = rng.integers(1, 5)
    spectra = np.array(
        [[0, 0, 0], [600, 700, 2500], [300, 300, 3200], [1500, 1800, 2200], [500, 300, 100]]
    )
    raw = np.zeros((2, 3, height, width))
    for date, (season, offset) in enumerate([(1.0, 1000), (0.85, 0)]):
        clean = np.moveaxis(spectra[ids], -1, 0) * season + offset
        raw[date] = clean + rng.normal(0, 120, clean.shape)
    valid = np.ones((2, height, width), bool)
    valid[0, :5], valid[1, 10:20, 10:20] = False, False
    valid[:, 40:44, 40:44] = False
    raw[~np.broadcast_to(valid[:, None], raw.shape)] = 0
    ids[rng.random(ids.shape) < 0.02] = 0
    return Scene(MemoryCube(np.clip(raw, 0, 65535).astype(np.uint16), valid), MemoryLabels(ids))


def make_data(tile=32, train=6, validation=3):
    """Two scenes cut into tiles, with their statistics."""
    scenes = [make_scene(1), make_scene(2)]
    windows = [
        Window(scene, y, x, tile)
        for scene in (0, 1)
        for y in range(0, 96 - tile + 1, tile)
        for x in range(0, 96 - tile + 1, tile)
    ]
    order = np.random.default_rng(0).permutation(len(windows))
    chosen = [windows[i] for i in order]
    return with_statistics(scenes, chosen[:train], chosen[train : train + validation])


def with_statistics(scenes, train, validation):
    """Training data with statistics of the training windows."""
    values, counts = [[], []], np.zeros(5, np.int64)
    for window in train:
        scene, box = scenes[window.scene], (window.y, window.x, window.size, window.size)
        raw, valid = scene.cube.read(*box)
        for date in (0, 1):
            scale, offset = scene.cube.scale[DATES[date]], scene.cube.offset[DATES[date]]
            reflectance = scale * (raw[date].astype(float) + offset)
            values[date].append(reflectance[:, valid[date]])
        counts += np.bincount(scene.labels.hard(*box).reshape(-1), minlength=5)
    joined = [np.concatenate(parts, axis=1) for parts in values]
    statistics = Statistics.of([j.mean(axis=1) for j in joined], [j.std(axis=1) for j in joined])
    return TrainingData(scenes, train, validation, statistics, counts[1:], BANDS, DATES, TABLE)


def write_split_and_statistics(data, names, folder: Path):
    """Write `split.parquet` and `statistics.json` as the tiles package does."""
    rows = []
    for split, windows in (("train", data.train), ("validation", data.validation)):
        for w in windows:
            name = names[w.scene]
            rows.append(
                {
                    "id": f"{name}/{w.size}/{w.y}/{w.x}",
                    "scene": name,
                    "y": w.y,
                    "x": w.x,
                    "size": w.size,
                    "split": split,
                }
            )
    pd.DataFrame(rows).to_parquet(folder / "split.parquet", index=False)
    facts = {
        "bands": list(data.bands),
        "dates": list(data.dates),
        "mean": data.statistics.mean.tolist(),
        "std": data.statistics.std.tolist(),
        "classes": dict(zip(TABLE.names[1:], data.counts.tolist(), strict=True)),
    }
    (folder / "statistics.json").write_text(json.dumps(facts))
    return folder / "split.parquet", folder / "statistics.json"


def write_scenes(folder, monkeypatch, names):
    """Write manifests, split and statistics; the stores behind the manifests are in memory.

    Returns the manifests of cube and labels by scene, and the paths of split and statistics.
    """
    data = make_data()
    scenes = {}
    for name in names:
        pair = []
        for kind in ("cube", "labels"):
            path = folder / f"scenes/{name}/{kind}.manifest.json"
            store_path(path).mkdir(parents=True)
            write_json(path, asdict(Manifest(kind, f"digest of {kind} of {name}")))
            pair.append(path)
        scenes[name] = tuple(pair)
    held = dict(zip(names, data.scenes, strict=True))
    monkeypatch.setattr(cube_module, "open_cube", lambda path: held[path.parent.name].cube)
    monkeypatch.setattr(labels_module, "open_labels", lambda path: held[path.parent.name].labels)
    return scenes, *write_split_and_statistics(data, names, folder)
