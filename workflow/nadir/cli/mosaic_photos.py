"""Lay the located training photos of one date on the substrate's grid: a newer reference."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, add_threads, read_json
from nadir.errors import InputError
from nadir.localization.mosaic import placed_photos, write_mosaic
from nadir.localization.photos import read_photos
from nadir.raster.grid import Grid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--case", required=True, type=Path, help="facts of the case, case.json")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, photos.parquet")
    parser.add_argument("--date", required=True, help="date whose photos are taken")
    add_out(parser, "mosaic to write, DATE.tif; DATE.json goes beside it")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    substrate = read_json(options.case)["substrate"]
    photos = read_photos(options.photos)
    located = photos[photos["split"] == "train"]
    chosen = located[located["date"] == options.date]
    if chosen.empty:
        dates = ", ".join(sorted(set(located["date"]))) or "none"
        raise InputError(
            options.photos,
            f"no training photo is of date {options.date!r}",
            f"Dates of training photos: {dates}.",
        )
    if substrate["grid"]:
        grid = Grid.from_dict(substrate["grid"])
    else:  # not georeferenced: its pixels are the coordinates
        grid = Grid("", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), substrate["height"], substrate["width"])
    write_mosaic(placed_photos(chosen), grid, options.out, options.threads)
