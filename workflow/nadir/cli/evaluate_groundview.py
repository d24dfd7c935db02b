"""Score generated views: as sets, place by place, by pairing, land cover, diversity, copying."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, add_threads, section
from nadir.config.groundview_evaluate import ViewEvaluateConfig
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pairs", required=True, type=Path, help="manifest of pairs")
    parser.add_argument("--views", required=True, type=Path, help="manifest of generated views")
    parser.add_argument("--judge", required=True, type=Path, help="weights of the judge's bundle")
    add_out(parser, "scores to write, JSON")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    import torch

    from nadir.groundview.judge_fitting import load_judge
    from nadir.groundview.pairs import open_pairs
    from nadir.groundview.scoring import score_views
    from nadir.groundview.view_store import read_views

    cfg = section(options.cfg, "evaluate", ViewEvaluateConfig)
    torch.set_num_threads(options.threads)
    pairs = open_pairs(options.pairs)
    views = read_views(options.views, pairs.of("test"))
    judge = load_judge(options.judge.parent)
    seed = section(options.cfg, "seed", int)
    write_json(options.out, score_views(pairs, views.views, judge, cfg, seed))
