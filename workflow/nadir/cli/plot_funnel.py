"""Draw how many photos are left after each filter."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.groundview import PhotosDataset
from nadir.groundview.filtering import read_filters
from nadir.groundview.funnel import plot_funnel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--filters", required=True, type=Path, help="table of filters, Parquet")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    dataset = section(options.cfg, "dataset", PhotosDataset)
    cfg = dataset.filters
    asked = {
        "duplicate": cfg.duplicates,
        "far": cfg.near or None,
        "blur": cfg.sharpness,
        "night": cfg.night,
        "season": cfg.seasons,
        "scene": cfg.scenes,
        "people": cfg.people,
        "review": dataset.review,
    }
    unasked = tuple(name for name, value in asked.items() if value is None)
    plot_funnel(read_filters(options.filters), options.out, unasked=unasked)
