"""Say of each pair of experiments on a data set whether one is better on the same ground."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.provenance.atomic import write_text
from nadir.report.pairs import read_pairs
from nadir.report.pairs_page import pairs_page, pairs_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--blocks", required=True, nargs="+", type=Path, help="tables of blocks")
    add_out(parser, "page to write, HTML")
    parser.add_argument("--table", required=True, type=Path, help="table to write, CSV")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    pairs = read_pairs(
        options.blocks,
        section(options.cfg, "resamples", int),
        section(options.cfg, "seeds", dict[str, list[str]]),
    )
    write_text(options.table, pairs_table(pairs))
    write_text(options.out, pairs_page(options.out.parent.name, pairs))
