"""Draw footprints over the image: right, wrong and missed ones, details, and the scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, read_json, section
from nadir.raster.cube import open_cube
from nadir.segmentation.figures_footprints import ShownScene, draw_footprints
from nadir.segmentation.footprint_scores import read_footprints
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--footprints", required=True, nargs="+", type=Path, help="GeoPackages, one a scene"
    )
    parser.add_argument("--truths", required=True, nargs="+", type=Path, help="true footprints")
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--metrics", required=True, type=Path, help="scores of the footprints")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    truths, cubes = by_scene(options.truths), by_scene(options.cubes)
    roles = section(options.cfg, "roles", dict[str, str])
    scenes = [
        ShownScene(
            name,
            open_cube(cubes[name]),
            read_footprints(path),
            read_footprints(truths[name]),
            roles[name] == "test",
        )
        for name, path in by_scene(options.footprints).items()
    ]
    title = " on ".join(part.name.replace("_", " ") for part in options.out.absolute().parents[:2])
    metrics = read_json(options.metrics)
    draw_footprints(scenes, read_split(options.split), metrics, options.out, title)
