"""Split the tiles of a dataset into training, validation and test."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.tiling import SplitConfig
from nadir.tiles.table import read_tiles, write_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--tiles", required=True, nargs="+", type=Path, help="learning scenes")
    add_out(parser, "Parquet table to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.tiles.leakage import certify
    from nadir.tiles.split import split_tiles

    scenes = [read_tiles(path) for path in options.tiles]
    split = section(options.cfg, "split", SplitConfig)
    groups = section(options.cfg, "groups", dict[str, str]) if "groups" in options.cfg else {}
    tiles = split_tiles(scenes, split, section(options.cfg, "seed", int), groups=groups)
    certify(tiles, scenes)  # a leaky split stops here, before anything is trained on it
    write_split(options.out, tiles)
