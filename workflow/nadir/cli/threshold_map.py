"""Make a map of classes, its confidence and its style out of probabilities and a threshold."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table, read_json
from nadir.segmentation.threshold import read_level, threshold_map


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--probability", required=True, type=Path, help="probabilities, GeoTIFF")
    parser.add_argument("--threshold", required=True, type=Path, help="the threshold, JSON")
    add_out(parser, "GeoTIFF to write; confidence.tif and the style go beside it")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    level = read_level(read_json(options.threshold), options.threshold)
    threshold_map(options.probability, level, class_table(options.cfg), options.out)
