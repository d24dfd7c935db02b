"""Score a retrieval: public and standard figures, both ways, by weather, with intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.retrieval import RankingConfig
from nadir.provenance.atomic import write_json
from nadir.retrieval.feature_store import read_features
from nadir.retrieval.scoring import score_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--features", required=True, type=Path, help="manifest of features")
    add_out(parser, "scores to write, JSON")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    views = section(options.cfg, "views", tuple[str, str])
    cfg = section(options.cfg, "evaluate", RankingConfig)
    write_json(options.out, score_places(read_features(options.features), views, cfg))
