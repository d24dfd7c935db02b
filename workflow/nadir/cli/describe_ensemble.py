"""Write the run card of an ensemble from those of its members."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, read_json
from nadir.provenance.atomic import write_json
from nadir.segmentation.ensemble import describe_ensemble


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--cards", required=True, nargs="+", type=Path, help="members' run cards")
    add_out(parser, "run card to write, JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    cards = {path.parents[1].name: read_json(path) for path in options.cards}
    write_json(options.out, describe_ensemble(cards))
