"""Draw what was generated: samples, latent walks, pairing matrices, and films."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import read_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of pairs")
    parser.add_argument("--views", required=True, type=Path, help="manifest of generated views")
    parser.add_argument("--metrics", required=True, type=Path, help="scores, JSON")
    parser.add_argument("--frames", required=True, type=Path, help="frames of the training, npz")
    parser.add_argument(
        "--samples", dest="out", required=True, type=Path, help="samples to draw, PNG"
    )
    parser.add_argument("--walk", required=True, type=Path, help="walks to draw, PNG")
    parser.add_argument("--pairing", required=True, type=Path, help="matrices to draw, PNG")
    parser.add_argument("--film", required=True, type=Path, help="film of the training, GIF")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from nadir.groundview.figures_views import draw_pairing, draw_samples, draw_walk
    from nadir.groundview.films import training_film
    from nadir.groundview.pairs import open_pairs
    from nadir.groundview.view_store import read_views

    test = open_pairs(options.pairs).of("test")
    views = read_views(options.views, test)
    title = options.views.parent.name.replace("_", " ")
    draw_samples(test, views, options.out, title=title)
    draw_walk(views, options.walk, title=title)
    draw_pairing(test, views, read_json(options.metrics)["pairing"], options.pairing, title=title)
    training_film(options.frames, options.film, title)
