"""Searching a learning rate for a network on a dataset."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from nadir.config.classes import ClassTable
from nadir.config.experiments import ModelConfig, TrainConfig
from nadir.learn.devices import lease
from nadir.learn.rate_finder import RateTrace, find_rate
from nadir.learn.seeds import derived_seed, deterministic, seed_all
from nadir.segmentation.data import choose_source
from nadir.segmentation.dataset import assemble
from nadir.segmentation.fitting import build_learner, training_batches
from nadir.segmentation.models.names import check_model
from nadir.segmentation.train import check_training, open_scenes


def search_rate(
    scenes: Mapping[str, tuple[str | os.PathLike[str], str | os.PathLike[str]]],
    split: str | os.PathLike[str],
    statistics: str | os.PathLike[str],
    *,
    model: ModelConfig,
    train: TrainConfig,
    table: ClassTable,
    seed: int = 0,
    device: str = "auto",
    threads: int = 2,
    steps: int = 100,
) -> RateTrace:
    """Train for some steps at rising learning rates, from the weights that a training starts with.

    Args:
        scenes: Scene name -> (manifest of the cube, manifest of the labels), learning scenes.
        split: `split.parquet`.
        statistics: `statistics.json`.
        model: The model's section.
        train: The training's section.
        table: The classes.
        seed: Seed of the configuration.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.
        steps: Steps of the search.

    Raises:
        InputError: As `nadir.segmentation.train.train_model`.
    """
    check_model(model)
    check_training(train, table)
    data = assemble(open_scenes(scenes), split, statistics, table)
    run_seed = derived_seed(seed, train.seed)
    with lease(device, lower=["train.batch_size"]) as found:
        torch.set_num_threads(threads)
        deterministic(found)
        learner = build_learner(data, model, train, run_seed)
        seed_all(run_seed, 0)
        source = choose_source(
            data.scenes,
            data.train,
            data.statistics,
            found,
            threads,
            None,
            table.count if train.loss.uses_outlines else None,
            train.loss.extras,
            table.count,
        )
        try:
            batches = training_batches(source, data, train, run_seed)
            return find_rate(learner, batches, found, steps=steps)
        finally:
            source.close()
