"""Benchmark of the land-cover recipes at equal training time, through the whole graph.

    python benchmarks/landcover.py simulated --seconds 120 --seeds 0 1 2
    NADIR_REAL_DATA=FOLDER python benchmarks/landcover.py ukis --seconds 120 --seeds 0 1 2

`simulated` is the default world in its blocked split; `ukis` trains on one half of a Sentinel-2
scene and scores on the other half and on two other sensors (config/ukis.yaml). Each seed of each
recipe is an experiment of its own, scored on the mosaic of its map by the graph's rules. A time is
one of computing, as `max_seconds` counts it; the forest takes what it takes. No weights are
fetched: all networks start from random ones.

The table is printed, and written as CSV.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from equal_time import Comparison, table, write_rows

CASES = {"simulated": ("config.yaml", "valley"), "ukis": ("config/ukis.yaml", "ukis")}
FIGURES = ("miou", "accuracy")

_RANDOM = {"model": {"weights": None}}
_TURNED = {"train": {"augment": {"dihedral": "random", "rare_classes": []}}}

EXPERIMENTS: dict[str, dict[str, Any]] = {
    "random_forest": {"recipe": "random_forest", "model": {"trees": 60, "pixels": 60000}},
    "unet_resnet50": {"recipe": "unet_resnet50", **_RANDOM, **_TURNED},
    "unet_resnet50_skip": {"recipe": "unet_resnet50_skip", **_RANDOM, **_TURNED},
    "unet_scratch": {"recipe": "unet_scratch", **_TURNED},
    "segformer_b0": {"recipe": "segformer_b0", **_RANDOM, **_TURNED},
    "segformer_unet": {"recipe": "segformer_unet", **_RANDOM, **_TURNED},
    "segformer_resnet_unet": {"recipe": "segformer_resnet_unet", **_RANDOM, **_TURNED},
    "nadir_landcover": {"recipe": "nadir_landcover"},
}


def scores(made: Path) -> dict[str, float]:
    """Return the scores of one experiment from what the graph made."""
    found = json.loads((made / "metrics.json").read_text(encoding="utf-8"))["splits"]["test"]
    return {name: found[name] for name in FIGURES}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=120.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/landcover"))
    options = parser.parse_args()
    folder = options.out / options.case
    experiments = {recipe: EXPERIMENTS[recipe] for recipe in options.recipes}
    comparison = Comparison(
        "landcover", *CASES[options.case], experiments, options.seconds, options.seeds
    )
    status = comparison.run(folder, ("metrics.json",), options.cores)
    if status:
        return status
    rows = comparison.rows(folder, scores)
    write_rows(folder / "scores.csv", rows)
    print(table(rows, FIGURES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
