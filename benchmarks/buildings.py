"""Benchmark of the building recipes at equal training time, through the whole graph.

    NADIR_REAL_DATA=FOLDER python benchmarks/buildings.py real --seconds 120 --seeds 0 1 2
    python benchmarks/buildings.py simulated --seconds 120 --seeds 0 1 2

`real` trains on columns of map tiles of Banepa and scores on a column that was held out
(config/fair.yaml); `simulated` trains on whole simulated towns and scores on others (the default
configuration). Each seed of each recipe is an experiment of its own; threshold, footprints and
scores come from the graph's rules. A time is one of computing, as `max_seconds` counts it.

The table is printed, and written as CSV.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nadir.provenance.atomic import write_text

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ("unet_small", "nadir_buildings")
FIGURES = ("pixel_iou", "pixel_accuracy", "f1", "precision", "recall", "boundary_error_m")
CASES = {"real": ("config/fair.yaml", "banepa"), "simulated": ("config.yaml", "towns")}


def configuration(case: str, seconds: float, seeds: list[int]) -> dict[str, Any]:
    """Return the case's configuration with one experiment a recipe and seed."""
    file, dataset = CASES[case]
    given = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))
    section = {"datasets": {dataset: given["buildings"]["datasets"][dataset]}}
    split = section["datasets"][dataset].get("split", {})
    if "file" in split:
        split["file"] = str(ROOT / split["file"])
    section["experiments"] = {}
    for recipe in RECIPES:
        own = given["buildings"]["experiments"][recipe]
        for seed in seeds:
            timed = {"epochs": 10_000, "max_seconds": seconds, "seed": seed}
            train = {**own.get("train", {}), **timed}
            section["experiments"][f"{recipe}_{seed}"] = {**own, "train": train}
    worlds = {"worlds": given["worlds"]} if case == "simulated" else {}
    return {"seed": given.get("seed", 0), **worlds, "buildings": section}


def scores(folder: Path, case: str, seeds: list[int]) -> list[dict[str, Any]]:
    """Return a row an experiment from what the graph made."""
    rows = []
    for recipe in RECIPES:
        for seed in seeds:
            made = folder / "results" / "buildings" / CASES[case][1] / f"{recipe}_{seed}"
            found = json.loads((made / "footprints.json").read_text(encoding="utf-8"))
            card = json.loads((made / "model" / "card.json").read_text(encoding="utf-8"))["result"]
            pooled = found["splits"]["test"]["pooled"]
            spent = {key: card[key] for key in ("computing_seconds", "epochs", "parameters")}
            rows.append({"recipe": recipe, "seed": seed, **spent} | {k: pooled[k] for k in FIGURES})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Return a Markdown table: mean and standard deviation over seeds."""
    lines = ["| recipe | seconds | " + " | ".join(FIGURES) + " |", "| --- " * 8 + "|"]
    for recipe in RECIPES:
        mine = [row for row in rows if row["recipe"] == recipe]
        cells = [f"{np.mean([row['computing_seconds'] for row in mine]):.0f}"]
        for name in FIGURES:
            values = [row[name] for row in mine]
            spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
            cells.append(f"{np.mean(values):.3f}{spread}")
        lines.append(f"| {recipe} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=120.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/buildings"))
    options = parser.parse_args()
    folder = options.out / options.case
    folder.mkdir(parents=True, exist_ok=True)
    write_text(
        folder / "config.yaml",
        yaml.safe_dump(configuration(options.case, options.seconds, options.seeds)),
    )
    targets = [
        f"results/buildings/{CASES[options.case][1]}/{recipe}_{seed}/footprints.{kind}"
        for recipe in RECIPES
        for seed in options.seeds
        for kind in ("json", "png")
    ]
    command = [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
        *("--directory", str(folder), "--configfile", str(folder / "config.yaml")),
        *("--cores", str(options.cores), "--", *targets),
    ]
    path = os.pathsep.join(filter(None, [str(ROOT / "workflow"), os.environ.get("PYTHONPATH")]))
    status = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}).returncode
    if status:
        return status
    rows = scores(folder, options.case, options.seeds)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / "scores.csv", text.getvalue())
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
