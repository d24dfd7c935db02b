"""Train a generator of ground views; a killed training goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nadir.cli.fitting import add_fit, training_run
from nadir.cli.options import section
from nadir.config.groundview_experiments import GeneratorConfig, ViewTrain
from nadir.groundview.training import train_groundview


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of the pairs")
    parser.add_argument("--frames", required=True, type=Path, help="frames of the film to write")
    add_fit(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    train_groundview(
        _fit,
        options.pairs,
        network=section(options.cfg, "model", GeneratorConfig),
        train=section(options.cfg, "train", ViewTrain),
        model=options.out.parent,
        history=options.history,
        frames=options.frames,
        run=training_run(options, "train-groundview"),
    )


def _fit(*given: Any) -> dict[str, Any]:
    """Fit the generator; torch is imported only when there is something to train."""
    from nadir.groundview.fitting import fit_groundview

    return fit_groundview(*given)
