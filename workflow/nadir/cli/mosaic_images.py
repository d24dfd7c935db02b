"""Put the pictures of a scene together, at one pixel size: map tiles, sheets or one raster."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_image, add_out, add_threads, images_of, section
from nadir.config.pictures import with_files
from nadir.raster.mosaic import mosaic_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_image(parser)
    add_out(parser, "GeoTIFF to write, cloud-optimized")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    scene = with_files(images_of(options.cfg), options.image, None)
    mosaic_images(
        next(iter(scene.images.values())),
        section(options.cfg, "bands", tuple[str, ...]),
        section(options.cfg, "resolution", float | None),
        options.out,
        workers=options.threads,
    )
