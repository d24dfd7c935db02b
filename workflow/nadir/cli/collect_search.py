"""Put together what a search found: all trials, the best experiment as an overlay, a picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.options import add_cfg, add_out, cache_root, read_json, section
from nadir.config.buildings import BuildingsExperiment
from nadir.config.experiments import ExperimentConfig
from nadir.config.searches import SearchConfig
from nadir.errors import InputError
from nadir.learn.figures_search import draw_search
from nadir.learn.search_results import best_overlay, search_facts
from nadir.learn.search_store import SearchStore
from nadir.provenance.atomic import write_json, write_text

_KINDS = {"landcover": ExperimentConfig, "buildings": BuildingsExperiment}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--workers", required=True, nargs="+", type=Path, help="what the workers wrote, JSON"
    )
    add_out(parser, "table of trials to write, JSON")
    parser.add_argument("--best", required=True, type=Path, help="overlay to write, YAML")
    parser.add_argument("--figure", required=True, type=Path, help="picture to write, PNG")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    search = section(options.cfg, "search", SearchConfig)
    job, name = section(options.cfg, "job", str), section(options.cfg, "name", str)
    keys = sorted({read_json(path)["key"] for path in options.workers})
    if len(keys) > 1:
        raise InputError(
            options.workers[0],
            f"the workers were on {len(keys)} different searches",
            "Delete what they wrote, and run snakemake again.",
        )
    store = SearchStore(cache_root(options.out, "search") / keys[0], search, None)
    facts = search_facts(store)
    experiment = section(options.cfg, "experiment", _KINDS[job])
    draw_search(facts, search, options.figure, f"Search {name} around {search.experiment}")
    write_text(options.best, best_overlay(job, name, search, experiment, facts))
    write_json(options.out, {"key": keys[0], "search": search.model_dump(mode="json"), **facts})
