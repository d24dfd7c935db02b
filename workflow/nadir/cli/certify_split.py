"""Prove that no two splits share ground, and say how far apart they lie."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out
from nadir.provenance.atomic import write_json
from nadir.tiles.leakage import certify
from nadir.tiles.table import read_split, read_tiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--tiles", required=True, nargs="+", type=Path, help="all labelled scenes")
    add_out(parser, "certificate to write, JSON")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    scenes = [read_tiles(path) for path in options.tiles]
    write_json(options.out, certify(read_split(options.split), scenes))
