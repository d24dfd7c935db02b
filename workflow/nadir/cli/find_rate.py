"""Search a learning rate for a network: its loss while the rate rises, as a picture and numbers."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, by_scene, class_table, device, section
from nadir.config.experiments import ModelConfig, TrainConfig
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="those of labels")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--statistics", required=True, type=Path, help="statistics, JSON")
    parser.add_argument("--steps", type=int, default=100, help="steps to train (%(default)s)")
    add_cfg(parser)
    add_out(parser, "picture to write, PNG; the numbers go beside it, JSON")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.learn.figures_rate import draw_rate
    from nadir.segmentation.rate import search_rate

    cubes, labels = by_scene(options.cubes), by_scene(options.labels)
    train = section(options.cfg, "train", TrainConfig)
    trace = search_rate(
        {name: (cubes[name], labels[name]) for name in cubes},
        options.split,
        options.statistics,
        model=section(options.cfg, "model", ModelConfig),
        train=train,
        table=class_table(options.cfg),
        seed=section(options.cfg, "seed", int),
        device=device(),
        threads=options.threads,
        steps=options.steps,
    )
    draw_rate(trace, options.out, train.optimizer.learning_rate)
    write_json(
        options.out.with_suffix(".json"),
        {
            "steepest": trace.steepest,
            "lowest": trace.lowest,
            "configured": train.optimizer.learning_rate,
            "rates": trace.rates.tolist(),
            "losses": trace.losses.tolist(),
            "smooth": trace.smooth.tolist(),
        },
    )
