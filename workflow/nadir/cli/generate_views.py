"""Generate views of the test places with a trained generator."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, device, section
from nadir.config.groundview_experiments import GenerateConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of the pairs")
    parser.add_argument("--model", required=True, type=Path, help="weights of the generator")
    add_out(parser, "manifest of the views to write")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.generating import generate_views

    generate_views(
        options.model.parent,
        options.pairs,
        options.out,
        section(options.cfg, "generate", GenerateConfig),
        device=device(),
        threads=options.threads,
    )
