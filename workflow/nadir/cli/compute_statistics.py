"""Compute band statistics and class counts of the training tiles, each pixel once."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table
from nadir.provenance.atomic import write_json
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.tiles.statistics import compute_statistics
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="those of labels")
    add_out(parser, "statistics to write, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    cubes, labels = by_scene(options.cubes), by_scene(options.labels)
    statistics = compute_statistics(
        [open_cube(path) for path in cubes.values()],
        [open_labels(labels[scene]) for scene in cubes],
        list(cubes),
        read_split(options.split),
        class_table(options.cfg).names,
    )
    write_json(options.out, statistics)
