"""Locate the photos of validation and test on references: the substrate and mosaics."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, device, section
from nadir.config.localization import Localiser, SiftRansac, SiftVoting
from nadir.localization.locate import locate_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument(
        "--references", required=True, nargs="+", type=Path, help="manifests, the substrate first"
    )
    parser.add_argument("--descriptor", type=Path, help="a file of the trained descriptor's bundle")
    parser.add_argument(
        "--deployment", type=Path, help="localizer.json to write, for single photos and the service"
    )
    parser.add_argument(
        "--proposals", type=Path, help="table of places to look at closely as well, Parquet"
    )
    add_out(parser, "table of poses to write, Parquet")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    locate_photos(
        options.photos,
        options.references,
        section(options.cfg, "method", Localiser | SiftRansac | SiftVoting),
        options.out,
        descriptor=options.descriptor.parent if options.descriptor else None,
        deployment=options.deployment,
        proposals=options.proposals,
        device=device(),
        threads=options.threads,
    )
