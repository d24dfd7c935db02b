"""Cut the crop of each kept photo, split the places, and store the pairs."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, section
from nadir.config.groundview import PhotosDataset
from nadir.groundview.pairing import build_pairs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--filters", required=True, type=Path, help="table of filters, Parquet")
    parser.add_argument("--folder", type=Path, help="simulated photos: their folder")
    parser.add_argument("--cube", type=Path, help="manifest of the cube that crops come from")
    parser.add_argument(
        "--out", required=True, type=Path, help="pairs.manifest.json; pairs.parquet goes beside it"
    )
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    build_pairs(
        options.photos,
        options.filters,
        section(options.cfg, "dataset", PhotosDataset),
        options.out,
        folder=options.folder,
        cube=options.cube,
    )
