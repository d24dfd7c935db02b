"""Complete a model's bundle: exported program, ONNX, a sample, and the item that lists all."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from nadir.cli.bundles import open_model
from nadir.cli.options import add_out, add_threads, by_scene
from nadir.errors import InputError
from nadir.learn.export import check_item_path, export_bundle
from nadir.learn.exportable import Exportable

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--model", required=True, type=Path, help="weights of the bundle")
    add_out(parser, "item.json to write beside the weights; the other files go there, too")
    parser.add_argument("--split", type=Path, help="segmentation: the split that it learned from")
    parser.add_argument(
        "--cubes", nargs="+", default=[], type=Path, help="segmentation: cubes of its scenes"
    )
    parser.add_argument("--case", type=Path, help="localization: what the case is, JSON")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    folder = check_item_path(options.out, options.model)
    if (options.split is None) != (not options.cubes):
        raise InputError("--split", "it goes with --cubes", "Give both, or none of them.")
    model = _located(open_model(folder, threads=options.threads), options)
    log.info("%s: wrote %s", folder, ", ".join(export_bundle(model)))


def _located(model: Exportable, options: argparse.Namespace) -> Exportable:
    """Return the model with the ground that it was trained on, and a sample from there."""
    if options.case is not None:
        from nadir.localization.export_ground import case_ground

        return replace(model, ground=case_ground(options.case))
    if options.split is None:
        return model
    from nadir.segmentation.export_ground import real_sample, training_ground, training_tiles

    tiles, cubes = training_tiles(options.split, by_scene(options.cubes))
    sample = real_sample(tiles, cubes, model.sample[0].shape[-1])
    if sample is None or sample.shape != model.sample[0].shape:
        raise InputError(
            options.split,
            "its training tiles have no data, or are of another number of bands than the model's",
            "Give the split and the cubes that this very model learned from.",
        )
    return replace(model, ground=training_ground(tiles, cubes), sample=(sample,))
