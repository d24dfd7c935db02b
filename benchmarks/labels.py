"""Benchmark of labels from a finer mask, scored against the fine mask itself.

    python benchmarks/labels.py simulated --seconds 120 --seeds 0 1 2
    NADIR_REAL_DATA=FOLDER python benchmarks/labels.py fair --seconds 120 --seeds 0 1 2

The same network (`nadir_landcover`) learns for the same time from one label a pixel (`nearest`,
`mode`, `weighted`: thin classes count more, borders are smoothed), or from the shares of all
classes in it (`fraction`). All learn and are tested on the same ground: the split of `mode`. Scored
is the share of the fine mask's own pixels of which the map is right, and mean IoU over them
(`evaluate.fine`); `ceiling` is what the best map of such pixels has.

`simulated` is the default world, pixels of 10 m under a mask of 1 m; `fair` are pictures of Banepa
(config/fair.yaml), averaged ten times, under their footprints burnt at the pictures' resolution.

The table is printed, and written as CSV. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import yaml
from equal_time import Comparison, table, write_rows
from rasterio import Affine
from rasterio.features import rasterize

from nadir.config.scenes import ImageSource
from nadir.config.slippy import TileFolder
from nadir.provenance.atomic import atomic_path, write_text
from nadir.raster.mosaic import mosaic_images

FACTOR = 10
RULES = ("nearest", "mode", "weighted")
LABELS = (*RULES, "fraction")
FIGURES = ("fine_accuracy", "fine_miou", "accuracy_ceiling", "miou_ceiling")
WEIGHTS = {
    "simulated": {"transport network": 3.0, "isolated urban": 2.0},
    "fair": {"building": 1.5},
}
FAIR = "buildings/fair_models/data/sample/train"
FOOTPRINTS = "osm/osm_features_ac7e343eb1faacd2.geojson"


def fair_rasters(folder: Path) -> dict[str, Path]:
    """Make the averaged pictures and the fine mask of their footprints, unless they are there."""
    made = {name: folder / f"{name}.tif" for name in ("full", "image", "mask")}
    if all(path.is_file() for path in made.values()):
        return made
    if "NADIR_REAL_DATA" not in os.environ:
        raise SystemExit("Set NADIR_REAL_DATA to the folder that holds buildings/fair_models.")
    source = Path(os.environ["NADIR_REAL_DATA"]) / FAIR
    folder.mkdir(parents=True, exist_ok=True)
    tiles = ImageSource(tiles=TileFolder(folder=str(source / "oam"), zoom=19), depth=8)
    grid = mosaic_images(tiles, ("red", "green", "blue"), None, made["full"], 1)
    height, width = grid.height // FACTOR, grid.width // FACTOR
    fine = height * FACTOR, width * FACTOR
    with rasterio.open(made["full"]) as dataset:
        values = dataset.read(out_dtype=np.float64)[:, : fine[0], : fine[1]]
    mean = values.reshape(3, height, FACTOR, width, FACTOR).mean(axis=(2, 4))
    _write(made["image"], np.rint(100 * mean).astype(np.uint16), grid.crs, grid.scaled(10).affine)
    shapes = gpd.read_file(source / FOOTPRINTS).to_crs(grid.crs).geometry
    mask = rasterize([(shape, 2) for shape in shapes], fine, 1, transform=grid.affine)
    _write(made["mask"], mask[None].astype(np.uint8), grid.crs, grid.affine)
    return made


def _write(path: Path, values: np.ndarray, crs: str, transform: Affine) -> None:
    profile = {"driver": "GTiff", "tiled": True, "compress": "deflate", "dtype": values.dtype}
    count, height, width = values.shape
    size = {"count": count, "height": height, "width": width}
    with (
        atomic_path(path, ".tif") as temporary,
        rasterio.open(temporary, "w", crs=crs, transform=transform, **size, **profile) as dataset,
    ):
        dataset.write(values)


def fair_configuration(folder: Path) -> Path:
    """Write the configuration of the averaged pictures; return its path."""
    made = fair_rasters(folder)
    image = {"file": str(made["image"].absolute()), "file_bands": ["red", "green", "blue"]}
    image |= {"baseline": "none", "scale": 1 / 25500, "nodata": 65535}
    dataset = {
        "classes": {
            "classes": [
                {"value": 1, "name": "background", "color": "#d9d4c5"},
                {"value": 2, "name": "building", "color": "#b5432f"},
            ]
        },
        "bands": ["red", "green", "blue"],
        "scenes": {
            "banepa": {"dates": {"only": image}, "mask": {"file": str(made["mask"].absolute())}}
        },
        "tiles": {"sizes": [32], "overlap": 0.5, "drop_water_only": False},
        "split": {"method": "file", "file": "config/fair_split.geojson"},
    }
    path = folder / "fair.yaml"
    write_text(path, yaml.safe_dump({"landcover": {"datasets": {"banepa": dataset}}}))
    return path


def experiment(labels: str, case: str) -> dict[str, Any]:
    """Return the section of one way of labelling."""
    train: dict[str, Any] = {"loss": {"labels": "fraction" if labels == "fraction" else "hard"}}
    if case == "fair":
        train["augment"] = {"crop": 32}
    return {
        "recipe": "nadir_landcover",
        "train": train,
        "evaluate": {"splits": ["test"], "fine": True},
    }


def scores(made: Path) -> dict[str, float]:
    """Return the scores of one experiment from what the graph made."""
    metrics = json.loads((made / "metrics.json").read_text(encoding="utf-8"))
    fine = metrics["splits"]["test"]["fine"]
    return {
        "fine_accuracy": fine["accuracy"],
        "fine_miou": fine["miou"],
        "accuracy_ceiling": fine["ceiling"]["accuracy"],
        "miou_ceiling": fine["ceiling"]["miou"],
    }


def same_ground(folder: Path, comparison: Comparison, cores: str) -> Path:
    """Make the split of `mode` and return its table: other labels, the same ground."""
    made = f"results/landcover/{comparison.dataset_of('mode')}/split.parquet"
    if comparison.make(folder, [made], cores):
        raise SystemExit("the split could not be made")
    return folder / made


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=WEIGHTS)
    parser.add_argument("--seconds", type=float, default=120.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/labels"))
    options = parser.parse_args()
    folder = options.out / options.case
    file, dataset = "config.yaml", "valley"
    if options.case == "fair":
        file, dataset = str(fair_configuration(folder.absolute() / "raw")), "banepa"
    weighted = {"rule": "weighted", "weights": WEIGHTS[options.case], "smoothing": 1}
    variants = {rule: {"labels": {"rule": rule}} for rule in RULES}
    variants["weighted"] = {"labels": weighted}
    settings: dict[str, Any] = {
        "on": {labels: "mode" if labels == "fraction" else labels for labels in LABELS},
    }
    experiments = {labels: experiment(labels, options.case) for labels in options.labels}

    def comparison(variants: dict[str, dict[str, Any]]) -> Comparison:
        return Comparison(
            *("landcover", file, dataset, experiments, options.seconds, options.seeds),
            variants=variants,
            **settings,
        )

    if options.case == "simulated":
        ground = same_ground(folder / "split", comparison(variants), options.cores)
        split = {"split": {"method": "file", "file": str(ground.absolute())}}
        variants = {name: {**changes, **split} for name, changes in variants.items()}
    found = comparison(variants)
    status = found.run(folder, ("metrics.json",), options.cores)
    if status:
        return status
    rows = found.rows(folder, scores)
    write_rows(folder / "scores.csv", rows)
    print(table(rows, FIGURES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
