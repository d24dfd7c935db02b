"""Search hyper-parameters of an experiment, as one of any number of workers on any machines.

Killed at any time, the next run of the same command goes on where it was; the trial of a worker
that died is taken over by another one. To join a search from a further machine, run the command of
its log there, with a file of its own as `--out`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.fitting import training_run
from nadir.cli.options import (
    add_cfg,
    add_code,
    add_out,
    add_threads,
    by_scene,
    cache_root,
    class_table,
    section,
)
from nadir.config.experiments import ExperimentConfig
from nadir.config.searches import SearchConfig
from nadir.provenance.atomic import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="manifests of cubes")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="those of labels")
    parser.add_argument(
        "--outlines", nargs="+", type=Path, default=[], help="manifests of outlines"
    )
    parser.add_argument("--split", required=True, type=Path, help="the split")
    parser.add_argument("--statistics", required=True, type=Path, help="statistics, JSON")
    add_out(parser, "what this worker did, JSON, written at its end")
    add_cfg(parser)
    add_code(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    # Torch is imported below: settings that are at fault are told at once.
    search = section(options.cfg, "search", SearchConfig)
    experiment = section(options.cfg, "experiment", ExperimentConfig)
    table = class_table(options.cfg)

    from nadir.learn.search import work_on
    from nadir.learn.search_store import SearchStore, first_values
    from nadir.segmentation.searching import KIND, SearchData, TrialTraining, search_key

    cubes, labels = by_scene(options.cubes), by_scene(options.labels)
    data = SearchData(
        {name: (cubes[name], labels[name]) for name in cubes},
        options.split,
        options.statistics,
        by_scene(options.outlines),
        table,
    )
    base = experiment.model_dump(mode="json")
    told = training_run(options, "train")
    key = search_key(search, base, data.digests(), told)
    folder = cache_root(options.out, KIND) / key
    store = SearchStore(folder, search, first_values(search, base))
    done = work_on(store, TrialTraining(search, base, data, told, folder))
    write_json(options.out, {"key": key, "finished": done})
