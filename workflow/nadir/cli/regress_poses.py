"""Locate the photos of validation and test with a trained regression."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, add_threads, device
from nadir.learn.devices import lease
from nadir.localization.casefile import read_case
from nadir.localization.photos import asked, read_photos
from nadir.localization.poses import write_poses
from nadir.localization.regression_predict import load_regressor, regress_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="what the case is, JSON")
    parser.add_argument("--model", required=True, type=Path, help="a file of the model's bundle")
    add_out(parser, "table of poses to write, Parquet")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    photos = asked(read_photos(options.photos))
    case = read_case(options.case).facts
    with lease(device()) as place:
        regressor = load_regressor(options.model.parent, case, place, options.threads)
        write_poses(options.out, regress_poses(regressor, photos))
