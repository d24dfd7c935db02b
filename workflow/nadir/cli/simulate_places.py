"""Simulate places for retrieval: images of a circling drone and of a satellite, with truth."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.places import PlacesConfig
from nadir.config.worlds import WorldConfig
from nadir.simulate.places import simulate_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "summary to write, FOLDER/places.json; the images lie in folders beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    world = section(options.cfg, "world", WorldConfig)
    places = section(options.cfg, "places", PlacesConfig)
    simulate_places(world, places, options.out.parent, workers=options.threads)
