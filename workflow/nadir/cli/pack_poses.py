"""Pack the answers of an experiment into the archive that the localization challenge takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out
from nadir.localization.casefile import read_case
from nadir.localization.photos import read_photos
from nadir.localization.poses import read_poses
from nadir.localization.submission import pack_poses
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--poses", required=True, type=Path, help="table of poses, Parquet")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    add_out(parser, "archive to write, ZIP")
    parser.add_argument("--summary", type=Path, help="what was packed and its dry score, JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    summary = pack_poses(
        read_poses(options.poses),
        read_photos(options.photos),
        read_case(options.case),
        options.out,
        source=options.poses,
    )
    if options.summary:
        write_json(options.summary, summary)
