"""Make a mask raster out of polygons, a label array, mask tiles, or a raster without place."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_footprints, add_out, class_table, section
from nadir.config.pictures import FOOTPRINTS
from nadir.config.scenes import MaskSource
from nadir.provenance.manifest import read_manifest
from nadir.raster.burn import prepare_mask
from nadir.raster.grid import Grid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    add_footprints(parser)
    add_out(parser, "GeoTIFF to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    grid = Grid.of_manifest(read_manifest(options.cube, "cube"), options.cube)
    source = (
        MaskSource(vector=options.footprints, **FOOTPRINTS)
        if options.footprints
        else section(options.cfg, "mask", MaskSource)
    )
    prepare_mask(source, grid, class_table(options.cfg), options.out)
