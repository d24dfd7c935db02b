"""Train a retrieval network; a killed training goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nadir.cli.fitting import add_fit, trained_together, training_run
from nadir.cli.options import section
from nadir.config.retrieval_experiments import RetrievalModel, RetrievalTrain
from nadir.retrieval.training import train_retrieval


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--images", required=True, type=Path, help="table of images, Parquet")
    add_fit(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    if trained_together(options):
        return
    train_retrieval(
        _fit,
        options.images,
        section(options.cfg, "views", tuple[str, str]),
        upright=section(options.cfg, "upright", bool),
        network=section(options.cfg, "model", RetrievalModel),
        train=section(options.cfg, "train", RetrievalTrain),
        model=options.out.parent,
        history=options.history,
        run=training_run(options, "train-retrieval"),
    )


def _fit(*given: Any) -> dict[str, Any]:
    """Fit the network; torch is imported only when there is something to train."""
    from nadir.retrieval.fitting import fit_retrieval

    return fit_retrieval(*given)
