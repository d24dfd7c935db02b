"""Export generated views, or the photos, with their crops as a dataset of the retrieval job."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.groundview_evaluate import ClosingConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of pairs")
    parser.add_argument(
        "--views", type=Path, help="manifest of generated views; by default photos are ranked"
    )
    add_out(parser, "counts to write, JSON; pictures and lists come beside it")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.closing import export_views
    from nadir.groundview.pairs import open_pairs
    from nadir.groundview.view_store import read_views

    pairs = open_pairs(options.pairs)
    views = None
    if options.views is not None:
        views = read_views(options.views, pairs.of("test"))
    cfg = section(options.cfg, "closing", ClosingConfig)
    export_views(pairs, views, options.out, cfg)
