"""Draw what became of the photos of an experiment: a sheet, a map of errors, confidence."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.localization.casefile import read_case
from nadir.localization.photos import read_photos
from nadir.localization.plots import draw_experiment
from nadir.localization.pose import DEGREES, PIXELS
from nadir.localization.poses import aligned, read_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="what the case is, JSON")
    parser.add_argument("--poses", required=True, type=Path, help="table of poses, Parquet")
    parser.add_argument(
        "--sheet", dest="out", required=True, type=Path, help="contact sheet to write, PNG"
    )
    parser.add_argument("--errors", required=True, type=Path, help="map of errors to write, PNG")
    parser.add_argument(
        "--confidence", required=True, type=Path, help="confidence against error to write, PNG"
    )
    parser.add_argument("--each", type=Path, help="folder for a picture of each photo of the sheet")
    parser.add_argument("--most", type=int, default=12, help="photos on the sheet")
    parser.add_argument("--precision", type=float, help="answers less probable are flagged")
    parser.add_argument("--pixels", type=float, default=PIXELS, help="largest error that is right")
    parser.add_argument("--degrees", type=float, default=DEGREES, help="the same of the direction")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    photos = read_photos(options.photos)
    draw_experiment(
        photos,
        aligned(read_poses(options.poses), photos, options.poses),
        read_case(options.case),
        sheet=options.out,
        errors=options.errors,
        confidence=options.confidence,
        each=options.each,
        most=options.most,
        threshold=options.precision,
        right_px=options.pixels,
        right_deg=options.degrees,
        title=options.poses.parent.name.replace("_", " "),
    )
