"""Simulate a localization case: a substrate, and photos of another date with known poses."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.cases import CaseConfig
from nadir.config.worlds import WorldConfig
from nadir.simulate.case import simulate_case


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "truth to write, FOLDER/truth.json; substrate and photos lie beside it")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    world = section(options.cfg, "world", WorldConfig)
    case = section(options.cfg, "case", CaseConfig)
    simulate_case(world, case, options.out.parent, workers=options.threads)
