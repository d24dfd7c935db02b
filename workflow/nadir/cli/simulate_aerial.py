"""Simulate aerial tiles of towns, with footprints of their buildings and labels that are off."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.aerial import AerialConfig
from nadir.config.worlds import WorldConfig
from nadir.simulate.aerial_tiles import simulate_aerial


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "summary to write, FOLDER/aerial.json; the tiles lie in folders beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    world = section(options.cfg, "world", WorldConfig)
    aerial = section(options.cfg, "aerial", AerialConfig)
    simulate_aerial(world, aerial, options.out.parent, workers=options.threads)
