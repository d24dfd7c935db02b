"""Map a whole scene with a trained model: classes, confidence and a QGIS style; probability."""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path

from nadir.cli.options import (
    add_cfg,
    add_code,
    add_out,
    add_threads,
    cache_root,
    class_table,
    device,
    section,
)
from nadir.config.experiments import PredictConfig
from nadir.learn.devices import lease
from nadir.raster.cube import open_cube
from nadir.segmentation.predict import predict_map
from nadir.segmentation.predictor import load_predictor, needs_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--model", required=True, type=Path, help="a file of the model's bundle")
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    add_out(parser, "GeoTIFF to write; confidence.tif and the style go beside it")
    parser.add_argument(
        "--probability", type=Path, help="probability of the last of two classes to write, as well"
    )
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    settings = section(options.cfg, "predict", PredictConfig)
    bundle = options.model.parent
    # Torch is imported, and a GPU held, only for a model that computes with it.
    with lease(device()) if needs_device(bundle) else nullcontext("cpu") as place:
        predictor = load_predictor(bundle, place, options.threads)
        predict_map(
            open_cube(options.cube),
            predictor,
            settings,
            options.out,
            table=class_table(options.cfg),
            probability_path=options.probability,
            cache=cache_root(options.out, "predict"),
            code=options.code,
        )
