"""Align a fine mask with the grid of a cube: shares of every class, and one label a pixel."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import (
    add_cfg,
    add_out,
    add_raw,
    add_scheduler,
    add_threads,
    class_table,
    section,
)
from nadir.config.scenes import CubeConfig, LabelConfig
from nadir.provenance.manifest import read_manifest
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--mask", required=True, type=Path, help="fine mask, a raster")
    parser.add_argument("--cube", required=True, type=Path, help="manifest of the cube")
    add_out(parser, "manifest to write, NAME.manifest.json")
    add_cfg(parser)
    add_raw(parser)
    add_threads(parser)
    add_scheduler(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    align_labels(
        options.mask,
        Grid.of_manifest(read_manifest(options.cube, "cube"), options.cube),
        class_table(options.cfg),
        section(options.cfg, "labels", LabelConfig),
        options.out,
        options.raw,
        section(options.cfg, "cube", CubeConfig),
        workers=options.threads,
        scheduler=options.scheduler,
    )
