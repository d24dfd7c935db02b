"""Make a gallery for `nadir serve --retrieve`: model, features and pictures in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out
from nadir.retrieval.gallery_export import export_gallery


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--features", required=True, type=Path, help="manifest of features")
    parser.add_argument("--model", required=True, type=Path, help="weights of their bundle")
    add_out(parser, "gallery.json to write; the folder around it is replaced")
    parser.add_argument("--name", help="name of the gallery (by default DATASET-EXPERIMENT)")
    parser.add_argument("--crs", help="system of the coordinates, where it is known")
    parser.add_argument(
        "--side", type=int, default=384, help="longest side of kept pictures, pixels (%(default)s)"
    )
    parser.add_argument(
        "--examples", type=int, default=3, help="queries of each view to try it with (%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    export_gallery(
        options.features,
        options.model,
        options.out,
        name=options.name,
        side=options.side,
        crs=options.crs,
        examples=options.examples,
    )
