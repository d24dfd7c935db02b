"""Train the descriptor that the localiser searches with, on the case at hand."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.fitting import add_fit, training_run
from nadir.cli.options import section
from nadir.config.localization import DescriptorConfig
from nadir.localization.descriptor_train import train_descriptor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--references", required=True, nargs="+", type=Path, help="manifests, the substrate first"
    )
    parser.add_argument("--photos", required=True, type=Path, help="photo table, Parquet")
    add_fit(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    train_descriptor(
        options.references,
        options.photos,
        cfg=section(options.cfg, "descriptor", DescriptorConfig),
        model=options.out.parent,
        history=options.history,
        run=training_run(options, "train-descriptor"),
    )
