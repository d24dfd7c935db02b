"""Check the raw images of a scene: headers, grids, bands, a sample of pixels."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_image, add_out, images_of, section
from nadir.config.pictures import with_files
from nadir.provenance.atomic import write_json
from nadir.raster.check import check_scene
from nadir.simulate.scene import scene_of_world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--scene", required=True, help="name of the scene")
    parser.add_argument("--world", nargs="*", type=Path, help="world.json, for a simulated scene")
    add_image(parser)
    add_out(parser, "facts about the images, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    scene = images_of(options.cfg)
    if options.world:
        scene = scene_of_world(scene, options.world[0]).model_copy(update={"mask": None})
    scene = with_files(scene, options.image, None)
    bands = section(options.cfg, "bands", tuple[str, ...])
    write_json(options.out, check_scene(options.scene, scene, bands))
