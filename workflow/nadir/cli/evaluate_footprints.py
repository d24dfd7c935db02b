"""Score footprints against true ones: matches, boundaries, pixels; by scene and pooled."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table, section
from nadir.provenance.atomic import write_json
from nadir.raster.labels import open_labels
from nadir.segmentation.footprint_scores import (
    FootprintScene,
    evaluate_footprints,
    write_scores,
)
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--footprints", required=True, nargs="+", type=Path, help="GeoPackages, one a scene"
    )
    parser.add_argument("--truths", required=True, nargs="+", type=Path, help="true footprints")
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="maps, one a scene")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    add_out(parser, "scores to write, JSON")
    parser.add_argument("--table", required=True, type=Path, help="scores to write, CSV")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    truths, maps = by_scene(options.truths), by_scene(options.maps)
    labels = by_scene(options.labels)
    roles = section(options.cfg, "roles", dict[str, str])
    scenes = [
        FootprintScene(
            name, path, truths[name], maps[name], open_labels(labels[name]), roles[name] == "test"
        )
        for name, path in by_scene(options.footprints).items()
    ]
    metrics = evaluate_footprints(
        scenes,
        read_split(options.split),
        class_table(options.cfg),
        section(options.cfg, "splits", tuple[str, ...]),
    )
    write_scores(options.table, metrics)
    write_json(options.out, metrics)
