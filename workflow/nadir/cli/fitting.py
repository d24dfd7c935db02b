"""What all commands that train share: options, and what they tell the training."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_code, add_threads, cache_root, device, section
from nadir.learn.kept import TrainingRun


def add_fit(parser: argparse.ArgumentParser) -> None:
    """Add what every command that trains has: outputs, settings, code and threads."""
    parser.add_argument("--out", required=True, type=Path, help="weights of the bundle to write")
    parser.add_argument("--history", required=True, type=Path, help="table of epochs to write")
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def training_run(options: argparse.Namespace, kind: str) -> TrainingRun:
    """Return where and how a command trains.

    Args:
        options: The command's options.
        kind: Name of this kind of trainings in the folder of kept ones.
    """
    return TrainingRun(
        cache_root=cache_root(options.out, kind),
        code=options.code,
        seed=section(options.cfg, "seed", int),
        device=device(),
        threads=options.threads,
    )
