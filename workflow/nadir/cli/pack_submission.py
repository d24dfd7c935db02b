"""Pack the maps of an experiment into the archive that a challenge takes."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table
from nadir.provenance.manifest import read_manifest
from nadir.raster.grid import Grid
from nadir.segmentation.submission import pack_landcover


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="maps, one a scene")
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    add_out(parser, "archive to write, ZIP")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    grids = {
        scene: Grid.of_manifest(read_manifest(path, "cube"), path)
        for scene, path in by_scene(options.cubes).items()
    }
    pack_landcover(by_scene(options.maps), grids, class_table(options.cfg), options.out)
