"""Check a localization case: substrate, photos, positions, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.localization import CaseDataset
from nadir.localization.case import check_case
from nadir.localization.photos import write_photos
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--folder", type=Path, help="folder of the case, for a simulated one")
    parser.add_argument("--truth", type=Path, help="exact poses, truth.json of a simulated case")
    add_out(parser, "facts about the case, JSON")
    parser.add_argument("--photos", required=True, type=Path, help="photo table to write, Parquet")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    facts, photos = check_case(
        section(options.cfg, "case", CaseDataset),
        options.folder,
        truth=options.truth,
        workers=options.threads,
    )
    write_photos(options.photos, photos)
    write_json(options.out, facts)
