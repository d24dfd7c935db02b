"""Train a small classifier of scenes on labelled photos: outdoor, indoor, night or any others."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_threads, section
from nadir.config.groundview import ScenesConfig
from nadir.errors import InputError
from nadir.groundview.scene_training import train_scenes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--photos", required=True, type=Path, help="table of photos, Parquet")
    parser.add_argument("--labels", type=Path, help="simulated photos: their truth, csv")
    parser.add_argument(
        "--out", required=True, type=Path, help="weights to write, FOLDER/model.safetensors"
    )
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    cfg = section(options.cfg, "scenes", ScenesConfig)
    labels = cfg.labels or options.labels
    if labels is None:
        raise InputError("filters.scenes.labels", "no labels are given", "Give a csv file.")
    seed = section(options.cfg, "seed", int)
    train_scenes(
        options.photos, labels, cfg, options.out.parent, seed=seed, threads=options.threads
    )
