"""Answer every photo without looking at it: the floors under every table of scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.localization import Constant, RandomGuess
from nadir.localization.casefile import read_case
from nadir.localization.guesses import constant_answers, random_answers
from nadir.localization.photos import read_photos
from nadir.localization.poses import write_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    add_out(parser, "table of poses to write, Parquet")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    case, photos = read_case(options.case), read_photos(options.photos)
    method = section(options.cfg, "method", Constant | RandomGuess)
    if isinstance(method, Constant):
        answers = constant_answers(case, photos)
    else:
        answers = random_answers(case, photos, method.seed)
    write_poses(options.out, answers)
