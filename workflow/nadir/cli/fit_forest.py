"""Fit the per-pixel random forest: the baseline that sees no context."""

from __future__ import annotations

import argparse
from typing import Any

from nadir.cli.training import add_training_arguments, train_as_told


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_training_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    train_as_told(options, _fit)


def _fit(*given: Any) -> dict[str, Any]:
    """Fit a forest; scikit-learn is imported only when there is something to fit."""
    from nadir.segmentation.forest import fit_forest

    return fit_forest(*given)
