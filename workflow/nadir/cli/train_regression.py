"""Train the regression baseline on a case; a killed training goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nadir.cli.fitting import add_fit, training_run
from nadir.cli.options import section
from nadir.config.localization import Regression
from nadir.localization.casefile import read_case
from nadir.localization.regression_train import train_regression


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--case", required=True, type=Path, help="what the case is, JSON")
    add_fit(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    train_regression(
        _fit,
        options.photos,
        read_case(options.case).facts,
        method=section(options.cfg, "method", Regression),
        model=options.out.parent,
        history=options.history,
        run=training_run(options, "train-regression"),
    )


def _fit(*given: Any) -> dict[str, Any]:
    """Fit the networks; torch is imported only when there is something to train."""
    from nadir.localization.regression_fit import fit_regression

    return fit_regression(*given)
