"""Draw where training, validation and test lie, and how the classes share among them."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table
from nadir.raster.cube import open_cube
from nadir.tiles.maps import draw_split
from nadir.tiles.quicklook import quicklook
from nadir.tiles.table import read_split, read_tiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--tiles", required=True, nargs="+", type=Path, help="learning scenes")
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    draw_split(
        options.out,
        read_split(options.split),
        [read_tiles(path) for path in options.tiles],
        class_table(options.cfg),
        {scene: quicklook(open_cube(path)) for scene, path in by_scene(options.cubes).items()},
    )
