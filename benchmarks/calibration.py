"""Do confidence and class sets keep their word on ground that was held out?

    python benchmarks/calibration.py --seconds 45 --draws 0 1 2

The default world is split anew for each draw, into blocks of two tiles, so that validation and test
have a dozen blocks each: with the three of the default split, one strange block decides everything.
`nadir_landcover` learns, temperatures and thresholds of class sets are fitted on the validation
blocks, and judged on the test blocks (`snakemake quality` does the same to any experiment).

Shown are the expected calibration error (ECE, 15 bins) before and after, how often class sets of
90 % hold the truth, and the standard error of that over blocks. The table is printed, and written
as CSV. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from equal_time import Comparison, write_rows

RECIPE = "nadir_landcover"
FIGURES = ("ece_before", "ece_after", "coverage", "block_error")


def facts(made: Path) -> dict[str, Any]:
    """Return what the graph found of one draw."""
    found = json.loads((made / "quality.json").read_text(encoding="utf-8"))["probability"]
    sets = found["sets"]
    return {
        "accuracy": found["after"]["accuracy"],
        "blocks": sets["draws"],
        "ece_before": found["before"]["ece"],
        "ece_after": found["after"]["ece"],
        "promised": sets["promised"],
        "coverage": sets["coverage"],
        "block_error": sets["block_error"],
    }


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=45.0, help="time of each training")
    parser.add_argument("--draws", type=int, nargs="+", default=[0, 1, 2], help="seeds of splits")
    parser.add_argument("--block", type=int, default=2, help="side of a block, in tiles")
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/calibration"))
    options = parser.parse_args()
    rows = []
    for draw in options.draws:
        comparison = Comparison(
            *("landcover", "config.yaml", "valley", {RECIPE: {"recipe": RECIPE}}),
            *(options.seconds, [draw]),
            changes={"split": {"block": options.block}},
            draw=draw,
        )
        folder, name = options.out / str(draw), f"{RECIPE}_{draw}"
        status = comparison.run(folder, ("quality.json",), options.cores)
        if status:
            return status
        rows.append({"draw": draw, **facts(comparison.folder_of(folder, name))})
    write_rows(options.out / "calibration.csv", rows)
    print("| draw | " + " | ".join(list(rows[0])[1:]) + " |")
    print("| --- " * len(rows[0]) + "|")
    for row in rows:
        cells = [
            f"{value:.3f}" if isinstance(value, float) else str(value) for value in row.values()
        ]
        print("| " + " | ".join(cells) + " |")
    means = {name: np.mean([row[name] for row in rows]) for name in FIGURES}
    print("\nmean: " + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
