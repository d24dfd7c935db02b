"""Check a scene as a whole before any expensive work: mask and tile sizes against the images."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import (
    add_cfg,
    add_footprints,
    add_image,
    add_out,
    class_table,
    section,
)
from nadir.config.pictures import with_files
from nadir.config.scenes import SceneConfig
from nadir.provenance.atomic import write_json
from nadir.raster.check import check_scene
from nadir.simulate.scene import scene_of_world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--scene", required=True, help="name of the scene")
    parser.add_argument("--world", nargs="*", type=Path, help="world.json, for a simulated scene")
    add_image(parser)
    add_footprints(parser)
    add_out(parser, "facts about the scene, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    scene = section(options.cfg, "scene", SceneConfig)
    if options.world:
        scene = scene_of_world(scene, options.world[0])
    scene = with_files(scene, options.image, options.footprints)
    facts = check_scene(
        options.scene,
        scene,
        section(options.cfg, "bands", tuple[str, ...]),
        class_table(options.cfg),
        section(options.cfg, "sizes", tuple[int, ...]),
    )
    write_json(options.out, facts)
