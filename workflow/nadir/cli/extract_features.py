"""Extract the features of queries and gallery with a trained retrieval network."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_code, add_out, add_threads, device, section
from nadir.config.retrieval import RankingConfig
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.retrieval.places import read_images


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--images", required=True, type=Path, help="table of images, Parquet")
    parser.add_argument("--model", required=True, type=Path, help="weights of the trained bundle")
    add_out(parser, "manifest of the features to write")
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    views = section(options.cfg, "views", tuple[str, str])
    upright = section(options.cfg, "upright", bool)
    cfg = section(options.cfg, "evaluate", RankingConfig)
    images = read_images(options.images)

    import torch

    from nadir.learn.devices import lease
    from nadir.retrieval.extraction import asked_for, extract, load_embedder
    from nadir.retrieval.feature_store import Stored, write_features

    rows = asked_for(images, views, cfg)
    with lease(device()) as found:
        torch.set_num_threads(options.threads)
        embedder = load_embedder(options.model.parent, found)
        feature = extract(embedder, rows, cfg, upright=upright)
        turned = extract(embedder, rows, cfg, upright=upright, turns=4) if cfg.turns else None
    facts = {"views": list(views), "weathers": list(cfg.weathers), "flip": cfg.flip}
    sources = {name: sha(read_bytes(getattr(options, name))) for name in ("images", "model")}
    write_features(options.out, Stored(rows, feature, turned), facts, sources)
