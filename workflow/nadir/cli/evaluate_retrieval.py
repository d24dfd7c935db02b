"""Score a retrieval: public and standard figures, both ways, by weather, with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, device, section
from nadir.config.retrieval import RankingConfig
from nadir.provenance.atomic import write_json
from nadir.retrieval.feature_store import read_features
from nadir.retrieval.scoring import score_places
from nadir.retrieval.search import search_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--features", required=True, type=Path, help="manifest of features")
    add_out(parser, "scores to write, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    views = section(options.cfg, "views", tuple[str, str])
    cfg = section(options.cfg, "evaluate", RankingConfig)
    stored = read_features(options.features)
    with search_device(device()) as found:
        scores = score_places(stored, views, cfg, device=found)
    write_json(options.out, scores)
