"""Rank the gallery for every query by their features: the best hundred, both ways."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, device, section
from nadir.config.retrieval import RankingConfig
from nadir.retrieval.feature_store import read_features
from nadir.retrieval.rankings import DEPTH, rank_places, write_rankings
from nadir.retrieval.search import search_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--features", required=True, type=Path, help="manifest of features")
    parser.add_argument("--depth", type=int, default=DEPTH, help="images to keep for each query")
    add_out(parser, "rankings to write, Parquet")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    views = section(options.cfg, "views", tuple[str, str])
    cfg = section(options.cfg, "evaluate", RankingConfig)
    stored = read_features(options.features)
    # faiss searches on the CPU.
    with search_device("cpu" if cfg.index else device()) as found:
        rankings = rank_places(
            stored,
            views,
            depth=options.depth,
            index=cfg.index,
            device=found,
            memory=cfg.memory_mb << 20,
        )
    write_rankings(options.out, rankings)
