"""Pairs of simulated photos: crops and shares are those of the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from photo_makers import photo_bytes, scene, write_photo
from rasterio.warp import transform

from nadir.config.groundview import PhotosDataset
from nadir.config.worlds import WorldConfig
from nadir.groundview.filtering import filter_photos, read_filters
from nadir.groundview.imagery import extent_of
from nadir.groundview.indexing import index_photos
from nadir.groundview.pairing import build_pairs
from nadir.groundview.pairs import CLASSES, open_pairs


def test_simulated_pairs_know_their_truth(tmp_path: Path) -> None:
    world = WorldConfig(width_km=2.0, height_km=2.0)
    left, top = world.origin
    rng = np.random.default_rng([8, 8])
    shares = rng.dirichlet(np.ones(12), (2, 6)).round(5)
    rows = []
    for number in range(6):
        x, y = left + 100 + 350 * number, top - 900 - (5000 if number == 5 else 0)
        (longitude,), (latitude,) = transform(world.crs, "OGC:CRS84", [x], [y])
        write_photo(
            tmp_path / f"photos/v{number}.jpg", number, longitude=longitude, latitude=latitude
        )
        if number < 5:
            crop = photo_bytes(scene(number, (40, 40)), kind="PNG")
            (tmp_path / "crops").mkdir(exist_ok=True)
            (tmp_path / f"crops/v{number}.png").write_bytes(crop)
        told = {"file": f"photos/v{number}.jpg", "sky": number / 10}
        told |= dict(zip(CLASSES, shares[0, number], strict=True))
        told |= {f"crop_{name}": v for name, v in zip(CLASSES, shares[1, number], strict=True)}
        rows.append(told)
    pd.DataFrame(rows[::-1]).to_csv(tmp_path / "truth.csv", index=False)
    dataset = PhotosDataset.model_validate(
        {
            "world": "w",
            "simulate": {"n": 6, "crop_px": 40, "crop_resolution": 2.0},
            "image_px": 32,
            "crop": {"size_px": 40},
        }
    )
    photos, filters = tmp_path / "photos.parquet", tmp_path / "filters.parquet"
    extent = extent_of(dataset, world=world)
    index_photos(dataset, photos, folder=tmp_path / "photos", extent=extent, threads=1)
    filter_photos(photos, dataset, filters, extent=extent, threads=1)
    assert read_filters(filters)["cause"].tolist() == [""] * 5 + ["outside"]
    build_pairs(photos, filters, dataset, tmp_path / "pairs.manifest.json", folder=tmp_path)
    pairs = open_pairs(tmp_path / "pairs.manifest.json")
    assert pairs.table["pair"].tolist() == [f"v{k}" for k in range(5)]
    for number in range(5):
        assert (pairs.crops[number] == scene(number, (40, 40)).transpose(2, 0, 1)).all()
    views, crops = pairs.view_shares(), pairs.crop_shares()
    assert views is not None and crops is not None
    assert np.allclose(views[:, 0], np.arange(5) / 10) and np.allclose(views.sum(1), 1)
    assert np.allclose(crops, shares[1, :5], atol=1e-6)
    assert pairs.facts["resolution"] == 2.0 and pairs.facts["apart_m"] == 80.0
    assert abs(pairs.facts["distance_m"] - 350) < 1
