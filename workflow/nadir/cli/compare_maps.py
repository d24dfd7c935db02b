"""Compare two maps of the same ground: change map, transition matrix, picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table
from nadir.provenance.atomic import write_json
from nadir.segmentation.changes import compare_maps
from nadir.segmentation.figures_changes import draw_changes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--before", required=True, type=Path, help="a map, GeoTIFF")
    parser.add_argument("--after", required=True, type=Path, help="another of the same scene")
    parser.add_argument("--names", nargs=2, default=("before", "after"), help="what to call them")
    parser.add_argument("--map", required=True, type=Path, help="change map to write, GeoTIFF")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_out(parser, "transitions to write, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    classes = class_table(options.cfg)
    facts = compare_maps(options.before, options.after, classes, options.map)
    names = (options.names[0], options.names[1])
    draw_changes(options.before, options.after, facts, classes, options.figure, names)
    write_json(options.out, {**facts, "before": names[0], "after": names[1]})
