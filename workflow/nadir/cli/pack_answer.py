"""Pack the answer that a retrieval challenge takes: one line a query, the best names first."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.retrieval import Weather
from nadir.retrieval.packing import pack_rankings
from nadir.retrieval.places import read_images
from nadir.retrieval.rankings import read_rankings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--rankings", required=True, type=Path, help="rankings, Parquet")
    parser.add_argument("--images", required=True, type=Path, help="table of images, Parquet")
    parser.add_argument("--queries", type=Path, help="list of the queries, in the answer's order")
    add_out(parser, "archive to write, ZIP")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    pack_rankings(
        read_rankings(options.rankings),
        read_images(options.images),
        section(options.cfg, "views", tuple[str, str]),
        options.out,
        queries=options.queries,
        weather=section(options.cfg, "weather", Weather),
    )
