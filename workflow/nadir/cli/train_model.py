"""Train a network on a dataset; killed at any time, the next run goes on where it was."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import TypeAdapter

from nadir.cli.options import (
    add_cfg,
    add_code,
    add_threads,
    add_training_inputs,
    cache_root,
    class_table,
    device,
    training_scenes,
)
from nadir.config.experiments import ModelConfig, TrainConfig
from nadir.segmentation.train import TrainOutputs, train_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_training_inputs(parser)
    parser.add_argument("--out", required=True, type=Path, help="a file of the bundle to write")
    parser.add_argument("--history", required=True, type=Path, help="table of epochs to write")
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    folder = options.out.parent
    train_model(
        training_scenes(options),
        options.split,
        options.statistics,
        model=TypeAdapter(ModelConfig).validate_python(options.cfg["model"]),
        train=TrainConfig.model_validate(options.cfg["train"]),
        table=class_table(options.cfg),
        outputs=TrainOutputs(
            model=folder, history=options.history, logs=folder.parent / "tensorboard"
        ),
        cache_root=cache_root(options.out, "train"),
        code=options.code,
        seed=options.cfg["seed"],
        device=device(),
        threads=options.threads,
    )
