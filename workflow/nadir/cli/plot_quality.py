"""Draw how far an experiment's maps may be trusted: reliability, borders, blocks, areas, worst."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table, read_json
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.segmentation.figures_blocks import draw_blocks, draw_worst
from nadir.segmentation.figures_quality import draw_areas, draw_quality


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--quality", required=True, type=Path, help="findings, JSON")
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="maps, one a scene")
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="cube manifests")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    add_out(parser, "picture of reliability, borders and purity to write, PNG")
    parser.add_argument("--areas", required=True, type=Path, help="picture of areas to write")
    parser.add_argument("--blocks", required=True, type=Path, help="picture of blocks to write")
    parser.add_argument("--worst", required=True, type=Path, help="gallery to write")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    facts, classes = read_json(options.quality), class_table(options.cfg)
    maps = by_scene(options.maps)
    title = options.out.parent.name.replace("_", " ")
    named = {row["scene"] for row in facts["worst"]}
    cubes, labels = by_scene(options.cubes), by_scene(options.labels)
    draw_blocks(maps, facts["places"], classes, options.blocks, title)
    draw_worst(
        facts["worst"],
        {name: open_cube(cubes[name]) for name in named},
        {name: open_labels(labels[name]) for name in named},
        maps,
        classes,
        options.worst,
        f"{title}: the worst held-out blocks",
    )
    draw_areas(facts["areas"], classes, options.areas, title)
    draw_quality(facts, classes, options.out, f"{title}: {facts['split']}")
