"""Train the network by which generated views are judged; a killed training goes on."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from nadir.cli.fitting import training_run
from nadir.cli.options import add_cfg, add_code, add_out, add_threads, section
from nadir.config.groundview_evaluate import JudgeConfig
from nadir.groundview.judging import train_judge


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of pairs")
    add_out(parser, "weights of the bundle to write")
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    train_judge(
        _fit,
        options.pairs,
        section(options.cfg, "judge", JudgeConfig),
        model=options.out.parent,
        run=training_run(options, "train-judge"),
    )


def _fit(*given: Any) -> dict[str, Any]:
    """Fit the network; torch is imported only when there is something to train."""
    from nadir.groundview.judge_fitting import fit_judge

    return fit_judge(*given)
