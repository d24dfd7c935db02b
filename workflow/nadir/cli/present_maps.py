"""Put the maps of a data set on one page: swipe, tables, what to do next; works offline."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.held_out import held_out_tiles, judged_ground
from nadir.cli.options import add_cfg, add_out, by_scene, class_table
from nadir.provenance.atomic import write_text
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.report.maps import read_judged, scene_layers
from nadir.report.maps_page import maps_page
from nadir.report.maps_places import parts_to_show, scenes_to_show
from nadir.segmentation.view import WHOLE

FIGURES = {
    "quality.png": "Reliability, class sets, borders and purity",
    "areas.png": "Areas with their intervals",
    "blocks.png": "Scores on the map",
    "worst.png": "The worst held-out blocks",
    "curves.png": "Training curves",
}
"""Pictures of an experiment that a page may hold, and their captions."""
MOST = 4
"""Scenes on a page."""
PARTS = 12
"""Parts of large scenes on a page, all scenes together."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--quality", required=True, nargs="+", type=Path, help="quality.json files")
    parser.add_argument(
        "--figures", required=True, nargs="+", type=Path, help="pictures beside those, PNG"
    )
    parser.add_argument(
        "--maps", required=True, nargs="+", type=Path, help="maps, .../EXPERIMENT/scenes/SCENE/"
    )
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="cube manifests")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    add_out(parser, "page to write, HTML")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    classes = class_table(options.cfg)
    judged = read_judged(options.quality, FIGURES, options.figures)
    ground, _ = judged_ground(options)
    labels = {scene: open_labels(path) for scene, path in by_scene(options.labels).items()}
    cubes = by_scene(options.cubes)
    maps: dict[str, dict[str, Path]] = {}
    for path in options.maps:
        maps.setdefault(path.parent.name, {})[path.parents[2].name] = path
    grids = {scene: labels[scene].grid for scene in maps}
    facts = [one.facts for one in judged]
    shown = scenes_to_show(maps, facts, MOST)
    large = sum(max(grids[scene].shape) > WHOLE for scene in shown)
    scenes = [
        scene_layers(
            scene,
            open_cube(cubes[scene]),
            labels[scene],
            maps[scene],
            held_out_tiles(ground, scene, facts[0]["split"]),
            classes,
            parts_to_show(scene, grids[scene].shape, facts, PARTS // max(large, 1)),
        )
        for scene in shown
    ]
    name = options.out.parent.name
    write_text(options.out, maps_page(name, judged, scenes, classes, grids))
