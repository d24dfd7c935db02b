"""Simulate a world: two Sentinel-2 dates and a 1 m land-cover mask of the same ground."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.worlds import WorldConfig
from nadir.simulate.products import simulate_world


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "manifest to write, FOLDER/world.json; the rasters lie beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    world = section(options.cfg, "world", WorldConfig)
    simulate_world(world, options.out.parent, workers=options.threads)
