"""Write the footprints of located photos for maps: GeoPackage and GeoJSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.localization.casefile import read_case
from nadir.localization.footprints import footprint_table, write_geojson, write_geopackage
from nadir.localization.photos import read_photos
from nadir.localization.poses import read_poses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--poses", required=True, type=Path, help="table of poses, Parquet")
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="facts about the case, JSON")
    parser.add_argument(
        "--geopackage", dest="out", required=True, type=Path, help="GeoPackage to write"
    )
    parser.add_argument("--geojson", required=True, type=Path, help="GeoJSON to write")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    case = read_case(options.case)
    table = footprint_table(
        read_poses(options.poses), read_photos(options.photos), case, options.poses
    )
    write_geopackage(options.out, table)
    write_geojson(options.geojson, table, case)
