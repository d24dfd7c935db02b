"""Write a map as polygons with class, area and confidence, a GeoPackage."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table, section
from nadir.config.quality import PolygonConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--map", required=True, type=Path, help="the map, GeoTIFF")
    parser.add_argument("--confidence", required=True, type=Path, help="its confidence, GeoTIFF")
    add_out(parser, "polygons to write, GeoPackage")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.provenance.geopackage import write_geopackage
    from nadir.segmentation.map_polygons import polygons_of_map

    cfg = section(options.cfg, "polygons", PolygonConfig | None) or PolygonConfig()
    table = polygons_of_map(options.map, options.confidence, class_table(options.cfg), cfg)
    write_geopackage(options.out, table, "landcover", "Patches of a land-cover map")
