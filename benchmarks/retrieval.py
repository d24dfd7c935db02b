"""Benchmarks of retrieval.

    python benchmarks/retrieval.py evaluator --out results/benchmarks/retrieval
    python benchmarks/retrieval.py real FOLDER --seconds 120 --folds 0 1 2 3 4 --seeds 0 1 2
    python benchmarks/retrieval.py simulated FOLDER --seconds 240 --seeds 0 1 2

`real` wants a folder of pairs (drone/NAME.png, satellite/NAME.png), `simulated` one in the layout
of University-1652, as `nadir simulate-places` writes it.

Each prints its table and writes it as CSV; everything drawn at random is a function of the seed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

# A kernel that the environment forces upon OpenBLAS would be measured instead of the machine's own.
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)

from nadir.errors import NadirError  # noqa: E402


def evaluator(options: argparse.Namespace) -> None:
    """Run the benchmark of the evaluator."""
    from retrieving.evaluator import run

    run(options.out, options.seed, options.repeats)


def real(options: argparse.Namespace) -> None:
    """Run the recipes on pairs of pictures, places ranked by turns."""
    from nadir.retrieval.layouts import flat_layout
    from nadir.retrieval.listing import image_table
    from nadir.retrieval.places import write_images

    tables = {}
    for fold in options.folds:
        tables[str(fold)] = options.out / f"images-{fold}.parquet"
        listed = flat_layout(options.folder, fold=fold)
        write_images(tables[str(fold)], image_table(listed, options.folder, options.threads))
    # These drones look in about the direction that is up in the satellite's picture.
    _recipes(tables, options, "real", {"train": {"augment": {"turn": 10.0}}})


def simulated(options: argparse.Namespace) -> None:
    """Run the recipes on simulated places."""
    from nadir.retrieval.layouts import university_layout
    from nadir.retrieval.listing import image_table
    from nadir.retrieval.places import write_images

    images = options.out / "images-simulated.parquet"
    listed = university_layout(options.folder)
    write_images(images, image_table(listed, options.folder, options.threads))
    _recipes({"simulated": images}, options, "simulated", {})


def _recipes(
    tables: dict[str, Path], options: argparse.Namespace, name: str, own: dict[str, Any]
) -> None:
    from retrieving.recipes import Plan, run_all, summary

    plan = Plan(
        tuple(options.variants),
        tuple(options.seeds),
        options.seconds,
        options.weathers,
        options.threads,
        own,
    )
    ending = "-weathers" if options.weathers else ""
    table = run_all(tables, plan, options.out / f"{name}{ending}.csv")
    print(summary(table).to_string(index=False))


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="folder of the pictures")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/retrieval"))
    parser.add_argument("--seconds", type=float, default=120, help="computing time of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--weathers", action="store_true", help="queries ask in all ten weathers")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--variants",
        nargs="+",
        default=["color histograms", "two_view", "nadir"],
        help="names in benchmarks/retrieving/recipes.py",
    )


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens")
    commands = parser.add_subparsers(required=True)
    text = "the evaluator beside a loop over queries, at University-1652's sizes"
    one = commands.add_parser("evaluator", help=text, description=text)
    one.add_argument("--out", type=Path, default=Path("results/benchmarks/retrieval"))
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--repeats", type=int, default=3, help="runs, of which the fastest counts")
    one.set_defaults(function=evaluator)
    text = "the recipes on real pairs, at equal computing time"
    two = commands.add_parser("real", help=text, description=text)
    _recipe_options(two)
    two.add_argument("--folds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    two.set_defaults(function=real)
    text = "the recipes on simulated places, at equal computing time"
    three = commands.add_parser("simulated", help=text, description=text)
    _recipe_options(three)
    three.set_defaults(function=simulated)
    return parser.parse_args()


def main() -> None:
    """Run one benchmark."""
    options = parse()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        options.function(options)
    except NadirError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
