"""Lay the located test photos on the substrate's grid; those whose place is not sure stay out."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, add_threads
from nadir.localization.casefile import read_case
from nadir.localization.located import write_located
from nadir.localization.photos import read_photos
from nadir.localization.poses import read_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--poses", required=True, type=Path, help="table of poses, Parquet")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    add_out(parser, "mosaic to write, NAME.tif; NAME.json goes beside it")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    write_located(
        read_poses(options.poses),
        read_photos(options.photos),
        read_case(options.case),
        options.out,
        workers=options.threads,
        source=options.poses,
    )
