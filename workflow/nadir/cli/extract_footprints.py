"""Draw the footprints of buildings out of probabilities: GeoPackage and GeoJSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, read_json, section
from nadir.config.footprints import FootprintConfig
from nadir.provenance.geopackage import write_geopackage
from nadir.raster.features import LAYER, write_geojson
from nadir.segmentation.footprint_extract import IN_PIXELS, footprints_of_raster
from nadir.segmentation.threshold import read_level


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--probability", required=True, type=Path, help="probabilities, GeoTIFF")
    parser.add_argument("--threshold", required=True, type=Path, help="the threshold, JSON")
    add_out(parser, "GeoPackage to write")
    parser.add_argument("--geojson", required=True, type=Path, help="GeoJSON to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    level = read_level(read_json(options.threshold), options.threshold)
    settings = section(options.cfg, "footprints", FootprintConfig)
    found = footprints_of_raster(options.probability, level, settings)
    said = "Footprints of buildings."
    write_geojson(options.geojson, found, IN_PIXELS if "area_px" in found else "")
    said = f"{said} {IN_PIXELS}" if "area_px" in found else said
    write_geopackage(options.out, found, LAYER, said)
