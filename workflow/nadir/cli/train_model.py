"""Train a network on a dataset; killed at any time, the next run goes on where it was."""

from __future__ import annotations

import argparse
from typing import Any

from nadir.cli.fitting import trained_together
from nadir.cli.training import add_training_arguments, train_as_told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_training_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if not trained_together(options):
        train_as_told(options, _fit)


def _fit(*given: Any) -> dict[str, Any]:
    """Fit a network; torch is imported only when there is something to train."""
    from nadir.segmentation.fitting import fit_network

    return fit_network(*given)
