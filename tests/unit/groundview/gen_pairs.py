"""Pairs and generators made by code: a photo has the colors of its crop, under a sky."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from nadir.groundview.building import build_generator
from nadir.groundview.fitting import describe
from nadir.groundview.heading import turn_crops
from nadir.groundview.pairs import SCHEMA, write_pairs
from nadir.learn.bundle import save_bundle


def plain_pairs(folder, n=12, px=32, crop_px=24, test=3, validation=0, seed=0):
    """Write pairs and return their manifest; the last ones are for test, then validation."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(20, 160, (n, 3, 1, 1), dtype=np.uint8)
    photos = np.broadcast_to(np.array([120, 160, 220], np.uint8)[:, None, None], (n, 3, px, px))
    photos = photos.copy()
    photos[:, :, px // 2 :] = ground
    crops = np.broadcast_to(ground, (n, 3, crop_px, crop_px)).copy()
    headings = np.where(np.arange(n) % 4 == 3, np.nan, 360 * rng.random(n))
    splits = ["train"] * (n - test - validation) + ["validation"] * validation + ["test"] * test
    table = pd.DataFrame({name: np.full(n, np.nan) for name in SCHEMA.names})
    for column in ("pair", "place"):
        table[column] = [f"{column}_{number:03d}" for number in range(n)]
    table["split"], table["heading"] = splits, headings
    arrays = (photos, crops, turn_crops(crops, headings))
    shapes = dict(zip(("photos", "crops", "turned"), (a.shape for a in arrays), strict=True))
    manifest = folder / "pairs.manifest.json"
    facts = {"resolution": 2.0, "up": "north"}
    write_pairs(manifest, table, [arrays], shapes, facts)
    return manifest


def bundle_of(folder, cfg, frame, seed=0):
    """Write the bundle of an untrained generator, with noise in every weight; return its folder."""
    torch.manual_seed(seed)
    network = build_generator(cfg, frame)
    with torch.no_grad():
        for value in network.parameters():
            value.add_(0.05 * torch.randn_like(value))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    save_bundle(folder, describe(cfg, frame, {}), weights)
    return folder
