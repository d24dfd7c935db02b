"""Benchmarks of retrieval.

    python benchmarks/retrieval.py evaluator --out results/benchmarks/retrieval

Each prints its table and writes it as CSV; everything drawn at random is a function of the seed.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from nadir.errors import NadirError


def evaluator(options: argparse.Namespace) -> None:
    """Run the benchmark of the evaluator."""
    from retrieving.evaluator import run

    run(options.out, options.seed, options.repeats)


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
