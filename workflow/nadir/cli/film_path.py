"""Draw views along a line over the map as a film."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--views", required=True, type=Path, help="views along a line, npz")
    add_out(parser, "film to write, GIF")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.films import path_film, read_path

    title = options.views.parent.name.replace("_", " ")
    path_film(read_path(options.views), options.out, title)
