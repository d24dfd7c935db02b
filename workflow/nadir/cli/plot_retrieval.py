"""Draw what a retrieval found: rankings, misses, embedding, map, weathers, saliency, curves."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_threads, read_json, section
from nadir.retrieval.feature_store import read_features
from nadir.retrieval.places import read_images
from nadir.retrieval.rankings import read_rankings

FIGURES = ("misses", "embedding", "places", "weathers", "saliency", "curves")
"""Pictures to draw beside the rankings, as options of the command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--images", required=True, type=Path, help="table of images, Parquet")
    parser.add_argument("--features", required=True, type=Path, help="manifest of features")
    parser.add_argument("--rankings", required=True, type=Path, help="rankings, Parquet")
    parser.add_argument("--metrics", required=True, type=Path, help="scores, JSON")
    parser.add_argument("--history", required=True, type=Path, help="table of epochs, Parquet")
    parser.add_argument("--model", required=True, type=Path, help="weights of the trained bundle")
    parser.add_argument(
        "--ranked", dest="out", required=True, type=Path, help="ranked to draw, PNG"
    )
    for name in FIGURES:
        parser.add_argument(f"--{name}", required=True, type=Path, help=f"{name} to draw, PNG")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import torch

    from nadir.learn.history import read_history
    from nadir.retrieval.extraction import load_embedder
    from nadir.retrieval.figures_curves import draw_curves
    from nadir.retrieval.figures_embedding import draw_embedding
    from nadir.retrieval.figures_places import draw_places
    from nadir.retrieval.figures_rankings import Gallery, draw_misses, draw_rankings
    from nadir.retrieval.figures_saliency import draw_saliency
    from nadir.retrieval.figures_weathers import draw_weathers

    views = section(options.cfg, "views", tuple[str, str])
    upright, seed = (section(options.cfg, *pair) for pair in (("upright", bool), ("seed", int)))
    stored, rankings = read_features(options.features), read_rankings(options.rankings)
    metrics = read_json(options.metrics)
    gallery = Gallery.of(stored.table, seed, upright)
    title = options.rankings.parent.name.replace("_", " ")
    draw_rankings(rankings, gallery, options.out, title=title)
    draw_misses(rankings, gallery, options.misses, title=title)
    draw_embedding(stored, rankings, views, options.embedding, title)
    draw_places(rankings, read_images(options.images), options.places, title)
    draw_weathers(metrics, options.weathers, title)
    draw_curves(read_history(options.history), metrics, options.curves, title)
    torch.set_num_threads(options.threads)  # a few hundred pictures: no GPU is worth waiting for
    embedder = load_embedder(options.model.parent, torch.device("cpu"))
    draw_saliency(rankings, gallery, embedder, options.saliency, title=title)
