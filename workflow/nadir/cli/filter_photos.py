"""Decide which photos are kept: duplicates, blur, night, season, scene, people, review."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.groundview import PhotosDataset
from nadir.config.worlds import WorldConfig
from nadir.groundview.filtering import filter_photos
from nadir.groundview.imagery import extent_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--cube", type=Path, help="manifest of the cube that crops come from")
    parser.add_argument("--scenes", type=Path, help="classifier trained here: its weights")
    add_out(parser, "table of filters to write, Parquet")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    dataset = section(options.cfg, "dataset", PhotosDataset)
    world = section(options.cfg, "world", WorldConfig) if dataset.world else None
    filter_photos(
        options.photos,
        dataset,
        options.out,
        extent=extent_of(dataset, world=world, cube=options.cube),
        scenes=options.scenes.parent if options.scenes else None,
        threads=options.threads,
    )
