"""Decode all images of a retrieval dataset and list them: places, views, splits, digests."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.retrieval import PlacesDataset
from nadir.retrieval.indexing import index_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--folder", type=Path, help="simulated data: their folder")
    parser.add_argument("--coordinates", type=Path, help="simulated data: csv of places")
    parser.add_argument("--photos", type=Path, help="case: its table of photos, Parquet")
    parser.add_argument("--substrate", type=Path, help="case: its substrate")
    add_out(parser, "table of images to write, Parquet; tiles of a substrate go beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    index_places(
        section(options.cfg, "dataset", PlacesDataset),
        options.out,
        folder=options.folder,
        known=options.coordinates,
        photos=options.photos,
        substrate=options.substrate,
        threads=options.threads,
    )
