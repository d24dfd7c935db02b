"""Map a whole scene with a trained model: classes, confidence and a QGIS style; probability."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.held_out import models
from nadir.cli.options import (
    add_cfg,
    add_code,
    add_out,
    add_threads,
    cache_root,
    class_table,
    section,
)
from nadir.config.experiments import PredictConfig
from nadir.errors import ConfigError
from nadir.raster.cube import open_cube
from nadir.segmentation.calibration import read_calibration
from nadir.segmentation.predict import predict_map


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--model", required=True, nargs="+", type=Path, help="a file of each model's bundle"
    )
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    add_out(parser, "GeoTIFF to write; confidence.tif and the style go beside it")
    parser.add_argument(
        "--probability", type=Path, help="probability of the last of two classes to write, as well"
    )
    parser.add_argument(
        "--calibration", type=Path, help="what calibrate-model found, if predict.calibrate is on"
    )
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    settings = section(options.cfg, "predict", PredictConfig)
    if settings.calibrate and options.calibration is None:
        raise ConfigError(
            ["predict.calibrate: it is on, but no calibration is given; give --calibration FILE"]
        )
    calibration = read_calibration(options.calibration) if settings.calibrate else None
    with models(options.model, options.threads) as predictor:
        predict_map(
            open_cube(options.cube),
            predictor,
            settings,
            options.out,
            table=class_table(options.cfg),
            probability_path=options.probability,
            calibration=calibration,
            cache=cache_root(options.out, "predict"),
            code=options.code,
        )
