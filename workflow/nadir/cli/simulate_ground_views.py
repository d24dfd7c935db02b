"""Simulate photos from the ground with coordinates, and a satellite crop of each place."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.simulate.view_files import simulate_views


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "summary to write, FOLDER/views.json; photos and crops lie beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    world = section(options.cfg, "world", WorldConfig)
    views = section(options.cfg, "views", ViewsConfig)
    simulate_views(world, views, options.out.parent, workers=options.threads)
