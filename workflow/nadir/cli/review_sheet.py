"""Write a contact sheet of the photos, whose ticks are saved as a csv file for the filters."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.groundview import PhotosDataset
from nadir.groundview.filtering import read_filters
from nadir.groundview.photos import read_photos
from nadir.groundview.review import write_sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--filters", required=True, type=Path, help="table of filters, Parquet")
    parser.add_argument("--title", default="", help="what the photos are")
    add_out(parser, "sheet to write, HTML")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    write_sheet(
        read_photos(options.photos),
        read_filters(options.filters),
        section(options.cfg, "dataset", PhotosDataset),
        options.out,
        title=options.title,
        threads=options.threads,
    )
