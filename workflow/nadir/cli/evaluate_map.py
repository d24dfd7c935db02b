"""Score the maps of an experiment against the labels, split by split, each pixel once."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, by_scene, class_table, read_json, section
from nadir.config.experiments import EvaluateConfig
from nadir.provenance.atomic import write_json
from nadir.raster.labels import open_labels
from nadir.tiles.table import read_split


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="maps, one a scene")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--leakage", required=True, type=Path, help="the split's certificate")
    parser.add_argument("--card", required=True, type=Path, help="run card of the model")
    add_out(parser, "scores to write, JSON")
    parser.add_argument("--confusion", required=True, type=Path, help="confusion matrix, CSV")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.segmentation.evaluate import MappedScene, evaluate_maps, write_confusion

    labels = by_scene(options.labels)
    roles = section(options.cfg, "roles", dict[str, str])
    scenes = [
        MappedScene(
            name=name,
            map=path,
            labels=open_labels(labels[name]),
            all_test=roles[name] == "test",
            confidence=path.with_name("confidence.tif"),
        )
        for name, path in by_scene(options.maps).items()
    ]
    metrics = evaluate_maps(
        scenes,
        read_split(options.split),
        class_table(options.cfg),
        section(options.cfg, "evaluate", EvaluateConfig),
        method=section(options.cfg, "split", str),
        leakage=read_json(options.leakage),
        model=read_json(options.card),
    )
    write_confusion(options.confusion, metrics)
    write_json(options.out, metrics)
