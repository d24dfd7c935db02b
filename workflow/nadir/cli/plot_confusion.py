"""Draw the confusion matrix of an experiment: counts, and shares of each true class."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table, read_json
from nadir.segmentation.figures_confusion import draw_confusion


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--metrics", required=True, type=Path, help="scores, JSON")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    metrics = read_json(options.metrics)
    title = options.out.parent.name.replace("_", " ")
    draw_confusion(metrics, class_table(options.cfg), options.out, title=title)
