"""Stores against their manifests: the digest that is made anew is the one that writers make."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import rasterio
from gen_pairs import plain_pairs
from ground_fakes import Waves, indexed

from nadir.config.classes import ClassTable, LandClass
from nadir.config.scenes import CubeConfig, ImageSource, LabelConfig
from nadir.errors import InputError
from nadir.groundview.view_store import write_views
from nadir.provenance.manifest import store_path
from nadir.raster.cube import build_cube
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.raster.masks import ArrayMask
from nadir.raster.outlines import trace_outlines
from nadir.raster.sources import open_source
from nadir.retrieval.feature_store import Stored, write_features
from nadir.upkeep.stores import KINDS, check_store, parse_manifest

GRID = Grid("EPSG:32631", (10.0, 0.0, 4e5, 0.0, -10.0, 46e5), 300, 280)
TABLE = ClassTable(
    classes=tuple(LandClass(value=v, name=f"class {v}", color=f"#{v:06x}") for v in (1, 2)),
    nodata=(0,),
)


def cube(folder):
    images = []
    for number, date in enumerate(("april", "august")):
        values = np.random.default_rng(number).integers(1000, 6000, (3, *GRID.shape), np.uint16)
        path = folder / f"{date}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", count=3, height=300, width=280, dtype="uint16",
            crs=GRID.crs, transform=rasterio.Affine(*GRID.transform),
        ) as dataset:  # fmt: skip
            dataset.write(values)
            for index, band in enumerate(("B02", "B03", "B04"), 1):
                dataset.set_band_description(index, band)
        images.append((date, open_source(ImageSource(file=str(path)), ("B02", "B03", "B04"))))
    cfg = CubeConfig(chunk=64, shard=128)
    build_cube(images, None, folder / "cube.manifest.json", cfg, {"raw": "0"}, 1)
    return folder / "cube.manifest.json"


def labels(folder):
    mask = np.random.default_rng(3).integers(0, 3, GRID.shape, np.uint8)
    path = folder / "labels.manifest.json"
    align_labels(ArrayMask(mask, GRID, "mask"), GRID, TABLE, LabelConfig(), path, {}, None, 1)
    return path


def outline(folder):
    path = folder / "outline.manifest.json"
    trace_outlines(open_labels(labels(folder)), 2, path, CubeConfig(chunk=256, shard=256))
    return path


def reference(folder):
    indexed(folder, "ground", Waves(0, count=60).substrate(203, 158))
    return folder / "ground.manifest.json"


def pairs(folder):
    plain_pairs(folder)
    return folder / "pairs.manifest.json"


def views(folder):
    values = np.random.default_rng(5).integers(0, 256, (3, 2, 3, 20, 20), np.uint8)
    walk = np.random.default_rng(6).integers(0, 256, (1, 4, 3, 20, 20), np.uint8)
    write_views(folder / "views.manifest.json", ["a", "b", "c"], values, walk, {"steps": 3})
    return folder / "views.manifest.json"


def features(folder):
    names = [f"image {n}" for n in range(300)]
    texts = ("image", "place", "view", "split", "weather", "path")
    table = pd.DataFrame({**dict.fromkeys(texts, names), "x": 1.0, "y": 2.0})
    found = np.random.default_rng(7).normal(size=(300, 270)).astype(np.float32)
    stored = Stored(table, found, found[:, ::-1].copy())
    write_features(folder / "features.manifest.json", stored, {"flip": True}, {"images": "0"})
    return folder / "features.manifest.json"


MAKERS = (cube, labels, outline, reference, pairs, views, features)


def checked(path):
    seen = []
    check_store(path, parse_manifest(path), seen.append)
    return sum(seen)


def test_every_kind_has_its_maker():
    assert {make.__name__ for make in MAKERS} == set(KINDS)


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_a_store_agrees_with_its_manifest_and_no_longer_when_changed(make, tmp_path):
    path = make(tmp_path)
    assert parse_manifest(path).kind == make.__name__
    assert checked(path) > 0
    chunks = [item for item in store_path(path).rglob("c/**/*") if item.is_file()]
    chunk = max(chunks, key=lambda item: item.stat().st_size)
    whole = chunk.read_bytes()

    chunk.unlink()  # zarr reads what is not there as zeros: only the digest tells
    with pytest.raises(InputError, match="not what the manifest was written for"):
        checked(path)

    chunk.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"damaged|not what"):
        checked(path)

    chunk.write_bytes(whole)
    assert checked(path) > 0


def test_a_changed_fact_is_found(tmp_path):
    path = views(tmp_path)
    content = json.loads(path.read_text())
    content["content"]["steps"] = 4
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="not what the manifest"):
        checked(path)


def test_a_lost_array_is_found(tmp_path):
    path = views(tmp_path)
    shutil.rmtree(store_path(path) / "walk")
    with pytest.raises(InputError, match="not what the manifest"):
        checked(path)


def test_links_in_a_store_are_refused(tmp_path):
    path = views(tmp_path)
    outside = tmp_path / "secret"
    outside.mkdir()
    chunk = next(item for item in (store_path(path) / "views").rglob("c/**/*") if item.is_file())
    shutil.move(chunk, outside / "chunk")
    chunk.symlink_to(outside / "chunk")
    with pytest.raises(InputError, match="plain files only"):
        checked(path)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [10**9, 10**9, 3, 10**9, 10**9]},
        {"shape": [3, 2, 3, -1, 20]},
        {"shape": "no"},
        {"data_type": "object"},
        {"codecs": []},
        {
            "codecs": [{"name": "bytes"}],
            "chunk_grid": {"configuration": {"chunk_shape": [10**6] * 5}},
        },
    ],
)
def test_metadata_that_promise_too_much_are_refused_before_anything_is_read(change, tmp_path):
    path = views(tmp_path)
    metadata = store_path(path) / "views" / "zarr.json"
    metadata.write_text(json.dumps({**json.loads(metadata.read_text()), **change}))
    with pytest.raises(InputError):
        checked(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"kind": 1, "digest": "x"}', "[" * 9999])
def test_what_is_no_manifest(text, tmp_path):
    path = tmp_path / "x.manifest.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a manifest"):
        parse_manifest(path)
