"""Pairs whose truth is painted: a sky, and below it a strip of one color for each class."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from nadir.groundview.heading import turn_crops
from nadir.groundview.pairs import CLASSES, Pairs, write_pairs

COLORS = np.random.default_rng(12).integers(20, 236, (12, 3))
COLORS[:] = np.stack([np.linspace(20, 235, 12), np.linspace(235, 20, 12)[np.r_[6:12, 0:6]],
                      np.tile([30, 220], 6)], 1)  # fmt: skip


def paint(shares, side, sky, random):
    """Return a picture (3, side, side) whose ground shows classes by their shares."""
    picture = np.empty((side, side, 3))
    horizon = round(sky * side)
    picture[:horizon] = (150, 190, 240)
    edges = np.rint(np.cumsum([0, *shares]) * side).astype(int)
    for number, (left, right) in enumerate(pairwise(edges)):
        picture[horizon:, left:right] = COLORS[number]
    picture += random.normal(0, 4, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8).transpose(2, 0, 1)


def make_pairs(count=60, side=32, seed=0, *, truth=True, test=20, validation=4, places=None):
    """Return painted pairs; the last ones are those of the test."""
    random = np.random.default_rng(seed)
    weights = random.random((count, 12)) ** 4
    shares = weights / weights.sum(1, keepdims=True)
    sky = random.uniform(0.2, 0.6, count)
    photos = np.stack([paint(s, side, k, random) for s, k in zip(shares, sky, strict=True)])
    crops = np.stack([paint(s, side, 0, random) for s in shares])
    heading = random.uniform(0, 360, count)
    heading[::3] = np.nan
    split = np.array(["train"] * count, object)
    split[count - test - validation :] = "validation"
    split[count - test :] = "test"
    nothing = np.full_like(shares, np.nan)
    table = pd.DataFrame(
        {
            "pair": [f"p{k:03d}" for k in range(count)],
            "place": [f"g{k if places is None else k % places}" for k in range(count)],
            "split": split,
            "longitude": 1 + np.arange(count) * 0.01,
            "latitude": np.full(count, 41.0),
            "x": np.arange(count) * 800.0,
            "y": np.zeros(count),
            "heading": heading,
            "sky": sky if truth else np.nan,
        }
    )
    for number, name in enumerate(CLASSES):
        table[f"view_{name}"] = (shares if truth else nothing)[:, number]
        table[f"crop_{name}"] = (shares if truth else nothing)[:, number]
    return Pairs(table, photos, crops, turn_crops(crops, heading), {"resolution": 1.0}, "digest")


def store_pairs(pairs, manifest):
    """Write pairs as `build-pairs` does."""
    shapes = {name: getattr(pairs, name).shape for name in ("photos", "crops", "turned")}
    batch = (pairs.photos, pairs.crops, pairs.turned)
    write_pairs(manifest, pairs.table, [batch], shapes, pairs.facts)
    return manifest
