"""Draw the training curves of an experiment: losses, learning rate, IoU of each class."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, class_table, section
from nadir.learn.history import read_history
from nadir.segmentation.figures_curves import draw_curves


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--history", required=True, type=Path, help="table of epochs, Parquet")
    add_out(parser, "picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    draw_curves(
        read_history(options.history),
        class_table(options.cfg),
        options.out,
        monitor=section(options.cfg, "monitor", str),
        title=options.out.parent.name.replace("_", " "),
    )
