"""What all commands that train share: options, and what they tell the training."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from nadir.cli.options import add_cfg, add_code, add_threads, cache_root, device, section
from nadir.learn.kept import TrainingRun
from nadir.learn.launch import Layout, train_together
from nadir.learn.session import OutOfMemory


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
        out_of_memory=out_of_memory(),
    )


def out_of_memory() -> OutOfMemory:
    """Return what the configuration wants when a GPU's memory is too small."""
    return "split" if os.environ.get("NADIR_OUT_OF_MEMORY") == "split" else "stop"


def trained_together(options: argparse.Namespace) -> bool:
    """Train with as many processes as the configuration asks for, and tell whether that is done.

    Where one is enough, or this is one of them, nothing is done.
    """
    layout = Layout.of_environment()
    if layout.size == 1:
        return False
    train_together(getattr(options, "words", sys.argv[1:]), layout, device(), options.threads)
    return True
