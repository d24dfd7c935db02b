"""Compare all experiments: a sortable page, a table and a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.report.compare import compare_experiments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--metrics", required=True, nargs="+", type=Path, help="scores, JSON")
    add_out(parser, "page to write, HTML")
    parser.add_argument(
        "--blocks", nargs="*", default=[], type=Path, help="tables of blocks, to compare in pairs"
    )
    parser.add_argument(
        "--footprints", nargs="*", default=[], type=Path, help="scores of footprints, JSON"
    )
    parser.add_argument("--table", required=True, type=Path, help="table to write, CSV")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    compare_experiments(
        options.metrics,
        options.out,
        options.table,
        options.figure,
        options.blocks,
        options.footprints,
        section(options.cfg, "resamples", int),
        section(options.cfg, "seeds", dict[str, list[str]]),
    )
