"""All commands of footprints in a row, on a town made by code, through files alone."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from building_fakes import CLASSES, UTM, burnt, probability, town

from nadir.cli.main import main
from nadir.config.footprints import FootprintConfig
from nadir.config.scenes import CubeConfig, ImageSource, LabelConfig
from nadir.errors import InputError
from nadir.raster.cog import MapWriter
from nadir.raster.cube import build_cube, open_cube
from nadir.raster.labels import align_labels
from nadir.raster.sources import open_source
from nadir.segmentation.figures_footprints import ShownScene, draw_footprints
from nadir.segmentation.footprint_extract import footprints_of
from nadir.segmentation.footprint_scores import read_footprints

CFG = FootprintConfig()
BANDS = ("red", "green", "blue")


def raster(path, values, bands=()):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(values),
        height=UTM.height,
        width=UTM.width,
        dtype="uint8",
        crs=UTM.crs,
        transform=UTM.affine,
    ) as dataset:
        dataset.write(values)
        for number, band in enumerate(bands, 1):
            dataset.set_band_description(number, band)
    return str(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Cube, labels, split and probabilities of a scene, where the graph has them."""
    root = tmp_path_factory.mktemp("results")
    scene, made = root / "scenes" / "a", root / "exp" / "scenes" / "a"
    made.mkdir(parents=True)
    scene.mkdir(parents=True)
    shapes = town(*UTM.shape, 3, 70)
    truth = burnt(shapes, *UTM.shape) >= 0.5
    picture = np.where(truth, 200, 90).astype(np.uint8)
    image = raster(root / "image.tif", np.stack([picture, picture - 20, picture - 40]), BANDS)
    mask = raster(root / "mask.tif", np.where(truth, 200, 0).astype(np.uint8)[None])
    source = ImageSource(file=image, file_bands=BANDS, baseline="none", scale=1 / 255, offset=0)
    build_cube(
        [("image", open_source(source, BANDS))],
        None,
        scene / "cube.manifest.json",
        CubeConfig(chunk=64, shard=256),
        {},
    )
    align_labels(
        mask,
        UTM,
        CLASSES,
        LabelConfig(),
        scene / "labels.manifest.json",
        {},
        CubeConfig(chunk=64, shard=256),
    )
    with MapWriter(made / "probability.tif", UTM, nodata=255) as writer:
        writer.write(0, 0, probability(shapes, *UTM.shape, noise=0.1))
    tiles = [
        dict(id=f"a/64/{y}/{x}", scene="a", y=y, x=x, size=64, split=split)
        for y in range(0, 256, 64)
        for x, split in zip(range(0, 320, 64), ["train", "validation", *["test"] * 3], strict=True)
    ]
    pd.DataFrame(tiles).to_parquet(root / "split.parquet", index=False)
    return root


def run(root, verb, cfg, **options):
    """Run a command; options are paths below the folder."""
    words = [verb, "--cfg", json.dumps(cfg)]
    for name, value in options.items():
        words += [f"--{name}", str(root / value)]
    assert main(words) == 0


def test_from_probabilities_to_scores_and_the_archive(folders) -> None:
    root, scene, made = folders, "scenes/a", "exp/scenes/a"
    classes = {"classes": CLASSES.model_dump(mode="json")}
    roles = {"roles": {"a": "learn"}}
    given = {"split": "split.parquet", "labels": f"{scene}/labels.manifest.json"}
    probable = {"probability": f"{made}/probability.tif", "threshold": "exp/threshold.json"}
    cube, truth = f"{scene}/cube.manifest.json", f"{scene}/truth.gpkg"
    run(
        root,
        "choose-threshold",
        classes,
        probabilities=f"{made}/probability.tif",
        out="exp/threshold.json",
        figure="exp/threshold.png",
        **given,
    )
    run(root, "threshold-map", classes, out=f"{made}/map.tif", **probable)
    run(
        root, "prepare-truth", classes, cube=cube, labels=given["labels"], out=f"{scene}/truth.gpkg"
    )
    run(
        root,
        "extract-footprints",
        {"footprints": {}},
        out=f"{made}/footprints.gpkg",
        geojson=f"{made}/footprints.geojson",
        **probable,
    )
    pairs = {"footprints": f"{made}/footprints.gpkg", "truths": truth}
    run(
        root,
        "evaluate-footprints",
        {**classes, **roles, "splits": ["validation", "test"]},
        maps=f"{made}/map.tif",
        out="exp/footprints.json",
        table="exp/footprints.csv",
        **pairs,
        **given,
    )
    run(
        root,
        "plot-footprints",
        roles,
        cubes=cube,
        split="split.parquet",
        metrics="exp/footprints.json",
        out="exp/footprints.png",
        **pairs,
    )
    run(root, "pack-masks", classes, maps=f"{made}/map.tif", cubes=cube, out="exp/submission.zip")
    scores = json.loads((root / "exp/footprints.json").read_text())["splits"]
    assert set(scores) == {"validation", "test"}
    assert scores["test"]["pooled"]["f1"] > 0.9
    assert scores["test"]["pooled"]["pixel_iou"] > 0.9
    assert scores["test"]["pooled"]["boundary_error_m"] < 0.3
    table = read_footprints(root / made / "footprints.gpkg")
    assert list(table) == ["id", "area_m2", "confidence", "regularized", "geometry"]
    placed = gpd.read_file(root / made / "footprints.geojson")
    assert len(placed) == len(table) and placed.crs == "EPSG:4326"
    for name in ("threshold.png", "footprints.png", "submission.zip", "footprints.csv"):
        assert (root / "exp" / name).stat().st_size > 100


def test_pictures_of_other_scenes(folders, tmp_path) -> None:
    """A test scene without a footprint beside one with some; equal pictures, equal bytes."""
    root = folders
    cube = open_cube(root / "scenes/a/cube.manifest.json")
    none = gpd.GeoDataFrame({"id": []}, geometry=[], crs=UTM.crs)
    some = footprints_of(probability(town(*UTM.shape, 4, 40), *UTM.shape), UTM, 125, CFG)
    scores = dict.fromkeys(("pooled", "median", "tiles", "scenes"))
    keys = ("true", "predicted", "f1", "precision", "recall", "mean_iou", "boundary_error_m")
    keys += ("boundary_error_px", "under_segmented", "over_segmented", "pixel_iou")
    scores["pooled"] = scores["median"] = dict.fromkeys((*keys, "pixel_accuracy"))
    scores["tiles"] = {"median_iou": None, "median_accuracy": 0.5}
    scores["scenes"] = {"a": {}, "b": {}}
    scenes = [ShownScene("a", cube, some, none, True), ShownScene("b", cube, none, none, True)]
    split = pd.read_parquet(root / "split.parquet")
    for number in (1, 2):
        draw_footprints(scenes, split, {"splits": {"test": scores}}, tmp_path / f"{number}.png")
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


def test_no_layer_no_footprints(folders) -> None:
    with pytest.raises(InputError, match="no layer of footprints"):
        read_footprints(folders / "image.tif")
