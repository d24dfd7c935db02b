"""Index the tiles of a scene: where they lie, what they hold, which are kept and why not."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table, section
from nadir.config.tiling import TileConfig
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.tiles.index import index_tiles
from nadir.tiles.table import write_tiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--scene", required=True, help="name of the scene")
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    parser.add_argument("--labels", required=True, type=Path, help="manifest of the labels")
    add_out(parser, "GeoParquet table to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    tiles = index_tiles(
        open_cube(options.cube),
        open_labels(options.labels),
        section(options.cfg, "tiles", TileConfig),
        class_table(options.cfg),
        options.scene,
    )
    write_tiles(options.out, tiles)
