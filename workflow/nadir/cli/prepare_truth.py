"""Write the true footprints of a scene: from vector labels, or traced out of its mask."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table
from nadir.provenance.geopackage import write_geopackage
from nadir.provenance.manifest import read_manifest
from nadir.raster.features import LAYER
from nadir.raster.grid import Grid
from nadir.raster.labels import open_labels
from nadir.segmentation.footprint_extract import IN_PIXELS
from nadir.segmentation.footprint_truth import truth_of_labels, truth_of_vectors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    parser.add_argument("--labels", required=True, type=Path, help="manifest of the labels")
    parser.add_argument(
        "--vectors", nargs="+", default=[], help="files of polygons; by default the labels' mask"
    )
    add_out(parser, "GeoPackage to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    classes = class_table(options.cfg)
    grid = Grid.of_manifest(read_manifest(options.cube, "cube"), options.cube)
    if options.vectors:
        truth = truth_of_vectors(options.vectors, grid, classes, options.cfg.get("field"))
    else:
        truth = truth_of_labels(open_labels(options.labels), classes)
    said = "True footprints of buildings."
    write_geopackage(options.out, truth, LAYER, said if truth.crs else f"{said} {IN_PIXELS}")
