"""Fit the per-pixel random forest: the baseline that sees no context."""

from __future__ import annotations

from nadir.cli.train_model import add_arguments, run

__all__ = ["add_arguments", "run"]
