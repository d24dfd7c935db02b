"""Trace the outlines of buildings: distances to the nearest edge, and pixels beside one."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import (
    add_cfg,
    add_footprints,
    add_out,
    add_scheduler,
    add_threads,
    class_table,
    section,
)
from nadir.config.pictures import FOOTPRINTS
from nadir.config.scenes import CubeConfig, MaskSource
from nadir.raster.labels import open_labels
from nadir.raster.outlines import trace_outlines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--labels", required=True, type=Path, help="manifest of the labels")
    add_footprints(parser)
    add_out(parser, "manifest to write, outline.manifest.json")
    add_cfg(parser)
    add_threads(parser)
    add_scheduler(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    labels = open_labels(options.labels)
    table = class_table(options.cfg)
    building = table.id_of("building") or table.count
    mask = (
        MaskSource(vector=options.footprints, **FOOTPRINTS)
        if options.footprints
        else section(options.cfg, "mask", MaskSource | None)
    )
    shapes = None
    if mask is not None and mask.vector:
        from nadir.raster.vectors import read_polygons  # a second to import: only for polygons

        polygons, values = read_polygons(mask, table, labels.grid.crs)
        shapes = polygons[values == table.classes[building - 1].value]
    trace_outlines(
        labels,
        building,
        options.out,
        section(options.cfg, "cube", CubeConfig),
        shapes,
        workers=options.threads,
        scheduler=options.scheduler,
    )
