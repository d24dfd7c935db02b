"""Propose places on a substrate for photos: the tiles that a retrieval ranks first."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.retrieval.places import read_images
from nadir.retrieval.proposals import propose_places, write_proposals
from nadir.retrieval.rankings import read_rankings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--rankings", required=True, type=Path, help="rankings, Parquet")
    parser.add_argument("--images", required=True, type=Path, help="table of images, Parquet")
    parser.add_argument("--substrate", required=True, type=Path, help="the substrate")
    add_out(parser, "proposals to write, Parquet")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    with open_raster(str(options.substrate)) as dataset:
        grid = Grid.of(dataset)
    found = propose_places(
        read_rankings(options.rankings),
        read_images(options.images),
        section(options.cfg, "views", tuple[str, str]),
        grid,
    )
    write_proposals(options.out, found)
