"""Show what jobs took, by rule: time, memory, share, GPU energy, price; page, table and picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.costs import CostConfig
from nadir.report.costs import present_costs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--results", type=Path, help="folder of results (by default that of the page)"
    )
    add_out(parser, "page to write, HTML")
    parser.add_argument("--table", required=True, type=Path, help="table to write, CSV")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    cfg = section(options.cfg, "costs", CostConfig)
    results = options.results or options.out.parent
    present_costs(results, cfg, options.out, options.table, options.figure)
