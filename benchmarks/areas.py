"""Do the intervals of area hold what they promise? And confidence, and class sets?

    python benchmarks/areas.py areas --worlds 20 --draws 5
    python benchmarks/areas.py quality --results results/landcover

`areas` simulates small worlds of which the whole truth is known, maps them with a forest that was
trained on others (any map will do: an interval must hold for a bad one, too), draws reference
samples and asks how often the interval of a class holds its true area: by the textbook for pixels,
by nadir's intervals for pixels and for blocks, and by taking the pixels of blocks for independent
ones. `quality` reads every `quality.json` under a folder and says how far calibrated confidence and
class sets keep their promise on held-out blocks.

The table is printed, and written as CSV.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from sklearn.ensemble import RandomForestClassifier
from tqdm.auto import tqdm

from nadir.config.classes import CLASS_TABLES
from nadir.config.scenes import LabelConfig
from nadir.config.worlds import WorldConfig
from nadir.provenance.atomic import write_text
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.segmentation.area import allocation, block_areas, robust_areas, stratified_areas
from nadir.simulate.products import simulate_world

TABLE = CLASS_TABLES["catalonia"]
K = TABLE.count
SIDE = 32
LEARN = (901, 902, 903)
"""Seeds of the worlds that the forest learns from."""


def world(seed: int, km: float) -> tuple[np.ndarray, np.ndarray]:
    """Return truth (y, x) uint8 and bands (y, x, band) float32 of a simulated world."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cfg = WorldConfig(
            seed=seed, width_km=km, height_km=km, cloud_share=0.0, swath_edge=False, sea_share=0.1
        )
        simulate_world(cfg, folder, workers=1)
        with (
            rasterio.open(folder / "april.tif") as april,
            rasterio.open(folder / "august.tif") as august,
        ):
            grid = Grid.of(april)
            values = np.concatenate([april.read(), august.read()]).astype(np.float32)
        manifest = folder / "labels.manifest.json"
        align_labels(folder / "mask.tif", grid, TABLE, LabelConfig(), manifest, {}, workers=1)
        truth = open_labels(manifest).hard(0, 0, *grid.shape)
    return truth, np.moveaxis(values, 0, -1)


def forest(km: float) -> RandomForestClassifier:
    """Return a forest that has seen few pixels of a few worlds."""
    pixels, labels = [], []
    for seed in LEARN:
        truth, bands = world(seed, km)
        rng = np.random.default_rng([seed, 5])
        chosen = rng.choice(np.flatnonzero(truth.ravel()), 3000, replace=False)
        pixels.append(bands.reshape(-1, bands.shape[-1])[chosen])
        labels.append(truth.ravel()[chosen])
    model = RandomForestClassifier(30, max_depth=12, min_samples_leaf=5, random_state=0)
    return model.fit(np.concatenate(pixels), np.concatenate(labels))


def pairs(mapped: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return map x truth counts, (K, K)."""
    both = (mapped > 0) & (truth > 0)
    key = (mapped[both].astype(np.int64) - 1) * K + truth[both] - 1
    return np.bincount(key, minlength=K * K).reshape(K, K)


def pixel_sample(
    mapped: np.ndarray, truth: np.ndarray, sample: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw pixels within each class of the map; return map x truth counts."""
    usable = np.flatnonzero((mapped > 0) & (truth > 0))
    kind = mapped.ravel()[usable]
    sizes = np.bincount(kind, minlength=K + 1)[1:]
    chosen = [
        rng.choice(usable[kind == k + 1], n, replace=False)
        for k, n in enumerate(allocation(sizes, sample, 30))
    ]
    drawn = np.concatenate(chosen)
    return pairs(mapped.ravel()[drawn], truth.ravel()[drawn])


def block_sample(
    mapped: np.ndarray, truth: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw whole squares; return map x truth counts of each, (B, K, K)."""
    corners = [
        (y, x) for y in range(0, truth.shape[0], SIDE) for x in range(0, truth.shape[1], SIDE)
    ]
    chosen = rng.choice(len(corners), round(share * len(corners)), replace=False)
    here = [np.s_[y : y + SIDE, x : x + SIDE] for y, x in (corners[n] for n in chosen)]
    return np.stack([pairs(mapped[box], truth[box]) for box in here])


def areas(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row a way of estimating: how often the truth lies in the interval."""
    model = forest(options.km)
    held: dict[str, list[bool]] = defaultdict(list)
    wide: dict[str, list[float]] = defaultdict(list)
    right = []
    for seed in tqdm(range(1, options.worlds + 1), desc="worlds", disable=None):
        truth, bands = world(seed, options.km)
        flat = bands.reshape(-1, bands.shape[-1])
        mapped = np.where(truth.ravel() > 0, model.predict(flat), 0).astype(np.uint8)
        mapped = mapped.reshape(truth.shape)
        strata = np.bincount(mapped.ravel(), minlength=K + 1)[1:].astype(float)
        want = np.bincount(truth.ravel(), minlength=K + 1)[1:]
        right.append(float((mapped == truth)[truth > 0].mean()))
        for draw in range(options.draws):
            rng = np.random.default_rng([seed, draw, 11])
            drawn = pixel_sample(mapped, truth, options.sample, rng)
            blocks = block_sample(mapped, truth, options.share, rng)
            known = blocks.sum() / strata.sum()
            for name, found in (
                ("pixels, textbook", stratified_areas(drawn, strata)),
                ("pixels, nadir", robust_areas(drawn, strata)),
                ("blocks, as pixels", stratified_areas(blocks.sum(axis=0), strata)),
                ("blocks, nadir", block_areas(blocks, strata, sampled=known)),
            ):
                for k in np.flatnonzero(want).tolist():
                    held[name].append(bool(found.low[k] <= want[k] <= found.high[k]))
                    wide[name].append(float((found.high[k] - found.low[k]) / 2 / truth.size))
        for k in np.flatnonzero(want).tolist():
            held["counting the map, within 5 %"].append(bool(abs(strata[k] / want[k] - 1) <= 0.05))
    print(f"accuracy of the maps: {np.mean(right):.3f}")
    return [
        {
            "way": name,
            "cases": len(values),
            "held": f"{np.mean(values):.3f}",
            "half_width_percent_of_scene": f"{100 * np.mean(wide[name]):.2f}" if wide[name] else "",
        }
        for name, values in held.items()
    ]


def quality(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row an experiment: calibration error and coverage on held-out blocks."""
    rows = []
    for path in sorted(options.results.glob("*/*/quality.json")):
        facts = json.loads(path.read_text(encoding="utf-8"))
        found, sets = facts["probability"], facts["probability"]["sets"]
        row = {
            "dataset": path.parents[1].name,
            "experiment": path.parent.name,
            "miou": f"{facts['scores']['miou']:.3f}",
            "ece_before": f"{found['before']['ece']:.4f}",
            "ece_after": f"{found['after']['ece']:.4f}",
            "brier_before": f"{found['before']['brier']:.4f}",
            "brier_after": f"{found['after']['brier']:.4f}",
            "promised": f"{sets['promised']:g}",
            "coverage": f"{sets['coverage']:.3f}",
            "block_coverage": f"{sets['block_coverage']:.3f}",
            "set_size": f"{sets['size']:.2f}",
        }
        rows.append(row)
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", type=Path, help="CSV to write")
    ways = parser.add_subparsers(dest="way", required=True)
    one = ways.add_parser("areas")
    one.add_argument("--worlds", type=int, default=20)
    one.add_argument("--draws", type=int, default=5, help="samples of each world")
    one.add_argument("--km", type=float, default=2.56, help="side of a world")
    one.add_argument("--sample", type=int, default=600, help="pixels drawn, about")
    one.add_argument("--share", type=float, default=0.4, help="share of blocks drawn")
    other = ways.add_parser("quality")
    other.add_argument("--results", type=Path, default=Path("results/landcover"))
    options = parser.parse_args()
    rows = areas(options) if options.way == "areas" else quality(options)
    if not rows:
        parser.error("there is nothing to report: run `snakemake quality` first")
    head = list(rows[0])
    print("| " + " | ".join(head) + " |\n" + "| --- " * len(head) + "|")
    for row in rows:
        print("| " + " | ".join(str(row[name]) for name in head) + " |")
    if options.table:
        text = io.StringIO()
        writer = csv.DictWriter(text, head, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(options.table, text.getvalue())


if __name__ == "__main__":
    main()
