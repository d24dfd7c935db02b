"""Compare the localization experiments of a dataset: a sortable page, a table and pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out
from nadir.localization.casefile import read_case
from nadir.localization.photos import read_photos
from nadir.localization.pose import DEGREES, PIXELS
from nadir.report.poses import PoseComparison, compare_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--metrics", required=True, nargs="+", type=Path, help="scores, JSON")
    parser.add_argument("--poses", required=True, nargs="+", type=Path, help="poses, Parquet")
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    add_out(parser, "page to write, HTML")
    parser.add_argument("--table", required=True, type=Path, help="table to write, CSV")
    parser.add_argument("--figure", required=True, type=Path, help="scores to draw, PNG")
    parser.add_argument("--curves", required=True, type=Path, help="errors to draw, PNG")
    parser.add_argument("--pixels", type=float, default=PIXELS, help="most error of a success")
    parser.add_argument("--degrees", type=float, default=DEGREES, help="most error of a success")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random answers")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    compare_poses(
        options.metrics,
        options.poses,
        read_photos(options.photos),
        read_case(options.case),
        PoseComparison(options.out, options.table, options.figure, options.curves),
        within=(options.pixels, options.degrees),
        seed=options.seed,
    )
