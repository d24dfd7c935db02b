"""Benchmark of the building recipes at equal training time, through the whole graph.

    NADIR_REAL_DATA=FOLDER python benchmarks/buildings.py real --seconds 120 --seeds 0 1 2
    python benchmarks/buildings.py simulated --seconds 120 --seeds 0 1 2

`real` trains on columns of map tiles of Banepa and scores on a column that was held out
(config/fair.yaml); `simulated` trains on whole simulated towns and scores on others: the default
configuration with more of them. Each seed of each recipe is an experiment of its own; threshold,
footprints and scores come from the graph's rules. A time is one of computing, as `max_seconds`
counts it.

The table is printed, and written as CSV.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml
from equal_time import ROOT, Comparison, table, write_rows

RECIPES = ("unet_small", "nadir_buildings")
FIGURES = ("pixel_iou", "pixel_accuracy", "f1", "precision", "recall", "boundary_error_m")
CASES = {"real": ("config/fair.yaml", "banepa"), "simulated": ("config.yaml", "towns")}


def scores(made: Path) -> dict[str, float]:
    """Return the scores of one experiment from what the graph made."""
    found = json.loads((made / "footprints.json").read_text(encoding="utf-8"))
    pooled = found["splits"]["test"]["pooled"]
    return {name: pooled[name] for name in FIGURES}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=120.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cities", type=int, default=16, help="simulated towns (%(default)s)")
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/buildings"))
    options = parser.parse_args()
    folder = options.out / options.case
    file, dataset = CASES[options.case]
    given = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["buildings"]["experiments"]
    experiments = {recipe: given[recipe] for recipe in RECIPES}
    towns = {"sources": {"towns": {"simulate": {"cities": options.cities}}}}
    changes = towns if options.case == "simulated" else {}
    comparison = Comparison(
        "buildings", file, dataset, experiments, options.seconds, options.seeds, changes
    )
    status = comparison.run(folder, ("footprints.json", "footprints.png"), options.cores)
    if status:
        return status
    rows = comparison.rows(folder, scores)
    write_rows(folder / "scores.csv", rows)
    print(table(rows, FIGURES))
    return 0


if __name__ == "__main__":
    sys.exit(main())
