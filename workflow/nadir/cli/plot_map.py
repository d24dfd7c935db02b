"""Draw a map beside the imagery and the truth, with legend, scale and where they disagree."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--map", required=True, type=Path, help="the map, GeoTIFF")
    parser.add_argument("--confidence", required=True, type=Path, help="its confidence, GeoTIFF")
    parser.add_argument("--labels", required=True, type=Path, help="manifest of the labels")
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.segmentation.figures_map import draw_map

    split = read_split(options.split)
    scene = options.out.parent.name
    held_out = split[(split["scene"] == scene) & (split["split"] == "test")]
    draw_map(
        open_cube(options.cube),
        options.map,
        class_table(options.cfg),
        options.out,
        labels=open_labels(options.labels),
        confidence_path=options.confidence,
        held_out=held_out if len(held_out) else None,
        title=options.out.parents[2].name.replace("_", " "),
    )
