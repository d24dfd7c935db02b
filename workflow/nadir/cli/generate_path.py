"""Generate views along a line over a map."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, device, section
from nadir.config.groundview_experiments import PathConfig
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--model", required=True, type=Path, help="weights of the generator")
    parser.add_argument(
        "--map", type=Path, help="picture of the ground with coordinates; else the world is asked"
    )
    add_out(parser, "views, crops and positions to write, FILE.npz")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.path import generate_path

    world = None
    if options.map is None:
        world = tuple(
            section(options.cfg, key, kind)
            for key, kind in (("world", WorldConfig), ("views", ViewsConfig))
        )
    generate_path(
        options.model.parent,
        options.out,
        section(options.cfg, "path", PathConfig),
        picture=options.map,
        world=world,
        device=device(),
        threads=options.threads,
    )
