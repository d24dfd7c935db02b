"""What the commands that train share: options, and the call."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.fitting import add_fit, training_run
from nadir.cli.options import by_scene, class_table, section
from nadir.config.experiments import ModelConfig, TrainConfig
from nadir.segmentation.train import Fit, TrainOutputs, train_model


def add_training_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a command that trains."""
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="those of labels")
    parser.add_argument(
        "--outlines",
        nargs="+",
        type=Path,
        default=[],
        help="manifests of outlines, for a loss that looks at them; by default those of the labels",
    )
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--statistics", required=True, type=Path, help="statistics, JSON")
    add_fit(parser)


def train_as_told(options: argparse.Namespace, fit: Fit) -> None:
    """Train, or deliver what an equal training gave before."""
    cubes, labels = by_scene(options.cubes), by_scene(options.labels)
    folder = options.out.parent
    train_model(
        fit,
        {name: (cubes[name], labels[name]) for name in cubes},
        options.split,
        options.statistics,
        model=section(options.cfg, "model", ModelConfig),
        train=section(options.cfg, "train", TrainConfig),
        table=class_table(options.cfg),
        outputs=TrainOutputs(
            model=folder, history=options.history, logs=folder.parent / "tensorboard"
        ),
        run=training_run(options, "train"),
        outlines=by_scene(options.outlines),
    )
