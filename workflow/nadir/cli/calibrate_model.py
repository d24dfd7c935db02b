"""Fit a model's temperature and class sets on the validation ground."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.held_out import add_ground, held_out_scenes, models
from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.experiments import PredictConfig
from nadir.provenance.atomic import write_json
from nadir.segmentation.calibrate import fit_calibration
from nadir.segmentation.figures_quality import draw_calibration
from nadir.segmentation.held_out import sample_of
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_ground(parser)
    add_out(parser, "calibration to write, JSON")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    settings = section(options.cfg, "predict", PredictConfig)
    cfg = settings.calibration
    split = read_split(options.split)
    with models(options.model, options.threads) as predictor:
        side = cfg.conformal.block or section(options.cfg, "tile", int)
        sample = sample_of(
            held_out_scenes(options, split, "validation"),
            predictor,
            settings,
            pixels=cfg.pixels,
            side=side,
            what="validation",
        )
    facts = fit_calibration(sample, cfg, side)
    title = options.out.parent.name.replace("_", " ")
    draw_calibration(facts, options.figure, f"{title}: validation")
    write_json(options.out, facts)
