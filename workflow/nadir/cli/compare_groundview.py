"""Compare ground-view experiments: a sortable page, a table, and what each loss matched."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--metrics", required=True, nargs="+", type=Path, help="scores, JSON")
    parser.add_argument("--views", required=True, nargs="+", type=Path, help="manifests of views")
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of pairs")
    parser.add_argument(
        "--closing", nargs="*", default=[], type=Path, help="scores of retrieval by views, JSON"
    )
    add_out(parser, "page to write, HTML")
    parser.add_argument("--table", required=True, type=Path, help="table to write, CSV")
    parser.add_argument("--losses", required=True, type=Path, help="matches to draw, PNG")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.report.groundview import compare_views

    compare_views(
        options.metrics,
        options.views,
        options.pairs,
        page=options.out,
        table=options.table,
        losses=options.losses,
        closings=options.closing,
    )
