"""Choose the probability from which a pixel is of a building, on validation pixels."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table, section
from nadir.config.experiments import PredictConfig
from nadir.provenance.atomic import write_json
from nadir.raster.labels import open_labels
from nadir.segmentation.figures_threshold import draw_threshold
from nadir.segmentation.threshold import ProbableScene, choose_threshold
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--probabilities", required=True, nargs="+", type=Path, help="one raster a scene"
    )
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    add_out(parser, "threshold to write, JSON")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    labels = by_scene(options.labels)
    scenes = [
        ProbableScene(name, path, open_labels(labels[name]))
        for name, path in by_scene(options.probabilities).items()
    ]
    facts = choose_threshold(scenes, read_split(options.split), class_table(options.cfg))
    draw_threshold(facts, options.figure, options.out.parent.name.replace("_", " "))
    # Whoever maps with this threshold has to predict in the same way: the service looks here.
    if "predict" in options.cfg:
        predict = section(options.cfg, "predict", PredictConfig)
        facts = {**facts, "predict": predict.model_dump(mode="json")}
    write_json(options.out, facts)
