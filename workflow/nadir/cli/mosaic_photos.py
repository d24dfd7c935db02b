"""Lay the located training photos of one date on the substrate's grid: a newer reference."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, add_threads
from nadir.errors import InputError
from nadir.localization.casefile import read_case
from nadir.localization.mosaic import placed_photos, write_mosaic
from nadir.localization.photos import read_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument("--date", help="date whose photos are taken; by default those of all")
    add_out(parser, "mosaic to write, NAME.tif; NAME.json goes beside it")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    case, photos = read_case(options.case), read_photos(options.photos)
    located = photos[photos["split"] == "train"]
    chosen = located if options.date is None else located[located["date"] == options.date]
    if chosen.empty:
        dates = ", ".join(sorted(set(located["date"]))) or "none"
        of_date = "" if options.date is None else f" of date {options.date!r}"
        raise InputError(
            options.photos,
            f"there is no training photo{of_date}",
            f"Dates of training photos: {dates}.",
        )
    write_mosaic(placed_photos(chosen), case.ground, options.out, options.threads)
