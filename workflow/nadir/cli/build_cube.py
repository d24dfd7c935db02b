"""Build the cube of a scene: all dates and bands as raw integers in one Zarr store."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import (
    add_cfg,
    add_image,
    add_out,
    add_raw,
    add_scheduler,
    add_threads,
    images_of,
    section,
)
from nadir.config.pictures import with_files
from nadir.config.scenes import CubeConfig
from nadir.raster.cube import build_cube
from nadir.raster.sources import open_source
from nadir.simulate.scene import scene_of_world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--world", nargs="*", type=Path, help="world.json, for a simulated scene")
    add_image(parser)
    add_out(parser, "manifest to write, NAME.manifest.json")
    add_cfg(parser)
    add_raw(parser)
    add_threads(parser)
    add_scheduler(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    scene = images_of(options.cfg)
    if options.world:
        scene = scene_of_world(scene, options.world[0])
    scene = with_files(scene, options.image, None)
    bands = section(options.cfg, "bands", tuple[str, ...])
    images = [
        (date, open_source(image, bands) if image else None) for date, image in scene.dates.items()
    ]
    build_cube(
        images,
        None,
        options.out,
        section(options.cfg, "cube", CubeConfig),
        options.raw,
        workers=options.threads,
        scheduler=options.scheduler,
    )
