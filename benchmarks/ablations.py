"""Ablations of nadir's land-cover recipe: what each ingredient brings, with the spread over seeds.

    python benchmarks/ablations.py simulated --seconds 120 --seeds 0 1 2
    NADIR_REAL_DATA=FOLDER python benchmarks/ablations.py ukis --seconds 120 --seeds 0 1 2

`full` is `nadir_landcover`. Each row takes one ingredient away (`no_...`), puts another in its
place, or adds one, at equal training time; rows of prediction (TTA, scales, ensembles) answer with
the trainings of `full`, which run once. An ensemble of some seeds is compared with the mean of its
members. Differences are paired by seed, so the luck of a seed that both share is left out.

Calibration changes no class: its row says what it does to the expected calibration error (ECE) on
the test ground, and how often class sets of 90 % hold the truth.

The table is printed, and written as CSV. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from equal_time import Comparison, write_rows

CASES = {"simulated": ("config.yaml", "valley"), "ukis": ("config/ukis.yaml", "ukis")}
FIGURES = ("miou", "accuracy")
FULL = "full"
ENSEMBLE = "ensemble"
_TILES = {"crops": None, "crop": None}  # in the place of random crops
_SCALES = [0.75, 1.0, 1.5]

TRAINED: dict[str, dict[str, Any]] = {
    FULL: {},
    "no_ema": {"train": {"ema": None}},
    "swa_for_ema": {"train": {"ema": None, "swa": 0.5}},
    "no_turning": {"train": {"augment": {"dihedral": "none"}}},
    "no_crops": {"train": {"augment": _TILES}},
    "no_augmentation": {"train": {"augment": {**_TILES, "dihedral": "none"}}},
    "no_class_weights": {"train": {"loss": {"class_weights": "none"}}},
    "with_balance": {"train": {"augment": {"balance": 0.5}}},
    "with_jitter": {"train": {"augment": {"jitter": 0.1}}},
    "with_scale": {"train": {"augment": {"scale": 1.5}}},
    "with_classmix": {"train": {"augment": {"mix": "classmix"}}},
}
PREDICTED: dict[str, dict[str, Any]] = {
    "no_tta": {"predict": {"tta": "none"}},
    "tta_flips": {"predict": {"tta": "flips"}},
    "scales_without_tta": {"predict": {"tta": "none", "scales": _SCALES}},
    "scales_and_tta": {"predict": {"tta": "dihedral", "scales": _SCALES}},
}


def ensembles(seeds: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return name -> seeds, of all pairs and of all seeds together."""
    sizes = sorted({size for size in (2, len(seeds)) if 2 <= size <= len(seeds)})
    return {
        "_".join([f"{ENSEMBLE}_of_{size}", *map(str, chosen)]): chosen
        for size in sizes
        for chosen in itertools.combinations(seeds, size)
    }


def scores(made: Path) -> dict[str, float]:
    """Return the scores of one experiment from what the graph made."""
    found = json.loads((made / "metrics.json").read_text(encoding="utf-8"))["splits"]["test"]
    return {name: found[name] for name in FIGURES}


def trust(made: Path) -> dict[str, float]:
    """Return how far probabilities are what they say, before and after calibration."""
    found = json.loads((made / "quality.json").read_text(encoding="utf-8"))["probability"]
    before, after = found["before"]["ece"], found["after"]["ece"]
    return {"ece_before": before, "ece_after": after, "coverage": found["sets"]["coverage"]}


def mean_and_spread(values: Sequence[float], digits: int = 3, sign: str = "") -> str:
    """Return mean ± standard deviation, or the one value."""
    text = f"{np.mean(values):{sign}.{digits}f}"
    return text + (f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else "")


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """Return a Markdown table: scores, and differences to the full recipe of the same seeds."""
    head = ["ingredient", *FIGURES, *(f"{name} - full" for name in FIGURES)]
    found = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    full = {row["seeds"]: row for row in rows if row["recipe"] == FULL}
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == recipe]
        cells = [mean_and_spread([row[name] for row in mine]) for name in FIGURES]
        for name in FIGURES:
            gains = [
                row[name] - np.mean([full[seed][name] for seed in row["seeds"].split()])
                for row in mine
            ]
            cells.append("" if recipe == FULL else mean_and_spread(gains, sign="+"))
        found.append(f"| {recipe} | " + " | ".join(cells) + " |")
    return found


def rows_of(comparison: Comparison, folder: Path, groups: dict[str, tuple[int, ...]]) -> list[Any]:
    """Return a row an experiment, ensembles included."""
    rows = [
        {"recipe": recipe, "seeds": str(seed), **scores(comparison.folder_of(folder, name))}
        for recipe, seed, name in comparison.names()
    ]
    return rows + [
        {
            "recipe": "_".join(name.split("_")[:3]),
            "seeds": " ".join(map(str, seeds)),
            **scores(comparison.folder_of(folder, name)),
        }
        for name, seeds in groups.items()
    ]


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--seconds", type=float, default=120.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--ingredients",
        nargs="+",
        choices=[name for name in {**TRAINED, **PREDICTED} if name != FULL],
        default=[name for name in {**TRAINED, **PREDICTED} if name != FULL],
    )
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/ablations"))
    options = parser.parse_args()
    folder = options.out / options.case
    changes = {**TRAINED, **PREDICTED}
    experiments = {
        name: {"recipe": "nadir_landcover", **changes[name]}
        for name in (FULL, *options.ingredients)
    }
    groups = ensembles(sorted(options.seeds))
    beside = {
        name: {
            "ensemble": {"members": [f"{FULL}_{seed}" for seed in seeds]},
            "predict": {"tta": "dihedral"},
        }
        for name, seeds in groups.items()
    }
    comparison = Comparison(
        *("landcover", *CASES[options.case], experiments, options.seconds, options.seeds),
        beside=beside,
    )
    judged = [f"{FULL}_{seed}" for seed in options.seeds]
    status = comparison.run(folder, ("metrics.json",), options.cores)
    targets = [str(comparison.folder_of(Path(), name) / "quality.json") for name in judged]
    status = status or comparison.make(folder, targets, options.cores)
    if status:
        return status
    rows = rows_of(comparison, folder, groups)
    write_rows(folder / "scores.csv", rows)
    print("\n".join(lines(rows)))
    found = [trust(comparison.folder_of(folder, name)) for name in judged]
    facts = zip(options.seeds, found, strict=True)
    write_rows(folder / "calibration.csv", [{"seed": seed, **fact} for seed, fact in facts])
    shown = {name: mean_and_spread([row[name] for row in found]) for name in found[0]}
    print(
        f"\ncalibration: ECE {shown['ece_before']} before, {shown['ece_after']} after; "
        f"class sets of 90 % hold the truth in {shown['coverage']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
