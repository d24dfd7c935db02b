"""Index a substrate or a mosaic once: pixels at three resolutions, and local features."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out, add_raw
from nadir.localization.references import build_reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--raster", required=True, type=Path, help="8-bit picture to index")
    add_out(parser, "manifest to write, NAME.manifest.json; its store goes beside it")
    add_raw(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    build_reference(options.raster, options.out, options.raw)
