"""Make a map for `nadir serve --groundview`: generator and imagery in one folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.groundview import PhotosDataset
from nadir.config.worlds import WorldConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of the pairs")
    parser.add_argument("--model", required=True, type=Path, help="weights of the generator")
    parser.add_argument("--cube", type=Path, help="manifest of the cube that crops come from")
    parser.add_argument(
        "--map", type=Path, help="8-bit picture with coordinates to stand on, not the dataset's"
    )
    add_out(parser, "ground.json to write; the folder around it is replaced")
    parser.add_argument("--name", help="name of the map (by default DATASET-EXPERIMENT)")
    parser.add_argument(
        "--side", type=int, default=4096, help="longest side of the map, pixels (%(default)s)"
    )
    parser.add_argument(
        "--examples", type=int, default=6, help="test places to try it with (%(default)s)"
    )
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.ground_export import export_ground
    from nadir.groundview.ground_sources import ground_source

    world = section(options.cfg, "world", WorldConfig) if "world" in options.cfg else None
    source = ground_source(
        section(options.cfg, "dataset", PhotosDataset),
        world=world,
        cube=options.cube,
        picture=options.map,
    )
    export_ground(
        options.model.parent,
        options.pairs,
        source,
        options.out,
        name=options.name,
        side=options.side,
        examples=options.examples,
    )
