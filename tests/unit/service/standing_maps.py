"""Maps to stand on, made of a tiny generator with random weights and a picture."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import rasterio

from nadir.config.groundview import CropsConfig
from nadir.groundview.heading import turn_crops
from nadir.groundview.pairs import SCHEMA, write_pairs
from nadir.raster.metric import transformer

sys.path.insert(0, str(Path(__file__).parents[1] / "groundview"))

CRS = "EPSG:32631"
LEFT, TOP = 500_000.0, 4_500_000.0
STEP, WIDTH, HEIGHT = 2.0, 300, 220  # of the picture: metres a pixel, pixels
CROP_PX, CROP_M, IMAGE_PX = 24, 48.0, 32
TEST = 5  # pairs at known places of the picture


def write_picture(path):
    """Write a picture of smooth noise whose last rows have no data."""
    noise = np.random.default_rng([5, 2]).normal(size=(HEIGHT, WIDTH, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    pixels = np.clip(128 + 60 * smooth / smooth.std(), 1, 255).astype(np.uint8)
    transform = rasterio.Affine(STEP, 0, LEFT, 0, -STEP, TOP)
    with rasterio.open(
        path, "w", width=WIDTH, height=HEIGHT, count=3, dtype="uint8", crs=CRS,
        transform=transform,
    ) as dataset:  # fmt: skip
        dataset.write(np.moveaxis(pixels, 2, 0))
        valid = np.ones((HEIGHT, WIDTH), bool)
        valid[-40:] = False
        dataset.write_mask(valid)
    return path


def save_generator(folder, name="flow", seed=0, crop=(CROP_PX, CROP_M)):
    """Write the bundle of a tiny generator with random weights."""
    from gen_pairs import bundle_of

    from nadir.config.groundview_experiments import DcganEncoder, Flow
    from nadir.groundview.conditions import Frame

    frame = Frame(IMAGE_PX, *crop)
    cfg = Flow(widths=(8, 8), crop_px=16, embedding=4, steps=2)
    if name == "dcgan_encoder":
        cfg = DcganEncoder(width=4)
    return bundle_of(folder, cfg, frame, seed)


def substrate(picture):
    """Return the section of crops that are cut from a picture."""
    return CropsConfig(
        source="substrate", substrate=str(picture), size_px=CROP_PX, resolution=CROP_M / CROP_PX
    )


def write_places(folder, crops, n=TEST, known=True):
    """Write pairs, all for testing, along the middle of the picture; return their manifest.

    Args:
        folder: Where.
        crops: What cuts crops; None leaves them black.
        n: Number of pairs.
        known: Whether positions are.
    """
    x = np.linspace(LEFT + 100, LEFT + 480, n)
    y = np.full(n, TOP - 150.0)
    longitude, latitude = transformer(CRS, "OGC:CRS84").transform(x, y)
    table = pd.DataFrame({name: np.full(n, np.nan) for name in SCHEMA.names})
    for column in ("pair", "place"):
        table[column] = [f"{column}_{number:03d}" for number in range(n)]
    table["split"] = "test"
    table["heading"] = np.where(np.arange(n) % 3 == 2, np.nan, 37.5 * np.arange(n))
    if known:
        table["longitude"], table["latitude"], table["x"], table["y"] = longitude, latitude, x, y
    cut = np.zeros((n, 3, CROP_PX, CROP_PX), np.uint8)
    if crops is not None:
        places = zip(longitude, latitude, strict=True)
        cut = np.stack([crops.crop({"longitude": a, "latitude": b}) for a, b in places])
    photos = np.zeros((n, 3, IMAGE_PX, IMAGE_PX), np.uint8)
    arrays = (photos, cut, turn_crops(cut, table["heading"]))
    shapes = dict(zip(("photos", "crops", "turned"), (a.shape for a in arrays), strict=True))
    manifest = folder / "pairs.manifest.json"
    facts = {"resolution": CROP_M / CROP_PX, "up": "north"}
    write_pairs(manifest, table, [arrays], shapes, facts)
    return manifest


def make_ground(root, generator="flow", **options):
    """Make all of it in a folder of a dataset, and return the folder of the map."""
    from nadir.groundview.crops import RasterCrops
    from nadir.groundview.ground_export import export_ground
    from nadir.groundview.ground_sources import RasterSource

    root.mkdir()
    picture = write_picture(root / "picture.tif")
    pairs = write_places(root, RasterCrops(substrate(picture)))
    model = save_generator(root / generator / "model", generator)
    out = root / generator / "ground" / "ground.json"
    export_ground(model, pairs, RasterSource(substrate(picture)), out, **options)
    return out.parent
