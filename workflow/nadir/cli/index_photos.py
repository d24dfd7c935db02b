"""Read all photos of a groundview dataset and list them: positions, headings, dates, faults."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.groundview import PhotosDataset
from nadir.config.worlds import WorldConfig
from nadir.groundview.imagery import extent_of
from nadir.groundview.indexing import index_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--folder", type=Path, help="simulated or fetched photos: their folder")
    parser.add_argument("--cube", type=Path, help="manifest of the cube that crops come from")
    add_out(parser, "table of photos to write, Parquet")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    dataset = section(options.cfg, "dataset", PhotosDataset)
    world = section(options.cfg, "world", WorldConfig) if dataset.world else None
    index_photos(
        dataset,
        options.out,
        folder=options.folder,
        extent=extent_of(dataset, world=world, cube=options.cube),
        threads=options.threads,
    )
