"""Benchmark of generators of ground views at equal training time, through the whole graph.

    python benchmarks/groundview.py --seconds 240 --seeds 0 1 2
    python benchmarks/groundview.py --seconds 240 --seeds 0 1 2 --simulate 320

Photos of the default world, places apart. Each seed of each generator is an experiment of its own;
views, scores, and the retrieval that is asked with them come from the graph's rules. A time is one
of computing, as `max_seconds` counts it; the encoders of `dcgan_encoder` share their first stage.

The table is printed, and written as CSV. Shares are between 0 and 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from equal_time import Comparison, table, write_rows

EXPERIMENTS: dict[str, dict[str, Any]] = {
    **{
        f"dcgan_{loss}": {
            "recipe": "dcgan_encoder",
            "model": {"name": "dcgan_encoder", "width": 16, "encoder": {"loss": loss}},
        }
        for loss in ("mse", "ssim", "custom")
    },
    "nadir_gan": {"recipe": "nadir_gan"},
    "nadir_flow": {"recipe": "nadir_flow"},
}
"""Name -> an experiment's section. DCGANs are narrow: of the published width they would hardly have
begun to learn in a few minutes of two cores."""

_SINGLE = ("swd", "fd_own", "diversity", "coverage")
_TOLD = ("recipe", "seed", "computing_seconds", "epochs", "parameters")
_PRODUCTS = ("metrics.json", "closing/metrics.json", "samples.png", "pairing.png", "film.gif")


def scores(made: Path) -> dict[str, float]:
    """Return the scores of one experiment from what the graph made."""
    found = json.loads((made / "metrics.json").read_text(encoding="utf-8"))
    losses = found["pairing"]["losses"]
    told = {f"pairing {name}": losses[name]["accuracy"]["value"] for name in losses}
    told["pairing best"] = max(told.values())
    told["land cover"] = found["land_cover"]["agreement"]["value"]
    told |= {name: found[name]["value"] for name in _SINGLE}
    closing = json.loads((made / "closing" / "metrics.json").read_text(encoding="utf-8"))
    recalls = closing["directions"]["ground to satellite"]["standard"]
    return told | {f"R@{k}": recalls[f"recall at {k}"]["value"] for k in (1, 5)}


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=240.0, help="time of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--recipes", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--simulate", type=int, help="photos; by default as configured")
    parser.add_argument("--cores", default="all", help="cores for the graph (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/groundview"))
    options = parser.parse_args()
    experiments = {recipe: EXPERIMENTS[recipe] for recipe in options.recipes}
    changes = {"simulate": {"n": options.simulate}} if options.simulate else {}
    comparison = Comparison(
        "groundview",
        "config.yaml",
        "valley",
        experiments,
        options.seconds,
        options.seeds,
        changes,
    )
    status = comparison.run(options.out, _PRODUCTS, options.cores)
    if status:
        return status
    rows = comparison.rows(options.out, scores)
    write_rows(options.out / "scores.csv", rows)
    print(table(rows, [name for name in rows[0] if name not in _TOLD]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
