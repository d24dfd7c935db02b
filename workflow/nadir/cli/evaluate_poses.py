"""Score the answers of an experiment, split by split, beside answers that look at no photo."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out
from nadir.localization.casefile import read_case
from nadir.localization.metrics import evaluate_poses
from nadir.localization.photos import read_photos
from nadir.localization.pose import DEGREES, PIXELS
from nadir.localization.poses import read_poses
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--poses", required=True, type=Path, help="table of poses, Parquet")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    add_out(parser, "scores to write, JSON")
    parser.add_argument("--pixels", type=float, default=PIXELS, help="most error of a success")
    parser.add_argument("--degrees", type=float, default=DEGREES, help="most error of a success")
    parser.add_argument("--seed", type=int, default=0, help="seed of resamples and random answers")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    metrics = evaluate_poses(
        read_poses(options.poses),
        read_photos(options.photos),
        read_case(options.case),
        source=str(options.poses),
        pixels=options.pixels,
        degrees=options.degrees,
        seed=options.seed,
    )
    write_json(options.out, metrics)
