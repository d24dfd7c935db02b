"""Fitting a network to training data, into a folder with bundle, history and facts."""

from __future__ import annotations

from typing import Any

import torch

from nadir.config.experiments import ModelConfig, TrainConfig
from nadir.learn.bundle import save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import write_history
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.segmentation.data import TileBatches, choose_source
from nadir.segmentation.dataset import TrainingData, rich_tiles
from nadir.segmentation.describe import describe_model
from nadir.segmentation.losses import class_weights
from nadir.segmentation.models.registry import build_model
from nadir.segmentation.task import SegmentationLearner
from nadir.segmentation.train import Session
from nadir.tiles.sampling import SamplePlan, sample_plan

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights


def fit_network(
    data: TrainingData, model_cfg: ModelConfig, cfg: TrainConfig, session: Session
) -> dict[str, Any]:
    """Train a network (or resume) and write `model.safetensors`, `model.yaml`, `history.parquet`.

    Args:
        data: What to learn from.
        model_cfg: The network.
        cfg: The training.
        session: How and where.

    Returns:
        Facts for the run card: device, seconds, result.

    Raises:
        InputError: For a model that cannot be built or a device that is not there.
    """
    run_seed = derived_seed(session.seed, cfg.seed)
    with lease(session.device) as found:
        torch.set_num_threads(session.threads)
        seed_all(run_seed, _WEIGHTS)
        network = build_model(model_cfg, data.statistics.channels, data.table.count)
        weights = class_weights(cfg.loss, data.counts.tolist(), data.table.names[1:])
        learner = SegmentationLearner(network, cfg, data.table, weights)
        source = choose_source(
            data.scenes,
            [*data.train, *data.validation],
            data.statistics,
            found,
            session.threads,
            session.memory,
        )
        rich = rich_tiles(data, cfg.augment)

        def plan(epoch: int) -> SamplePlan:
            return sample_plan(len(data.train), run_seed, epoch, cfg.augment.dihedral, rich)

        def in_order(epoch: int) -> SamplePlan:
            return sample_plan(len(data.validation), run_seed, 0, shuffle=False)

        train = TileBatches(source, data.train, plan, cfg.batch_size)
        validation = TileBatches(source, data.validation, in_order, cfg.batch_size)
        try:
            best, progress = fit(
                learner,
                train,
                validation,
                work=session.work,
                seed=run_seed,
                device=found,
                logs=session.logs,
            )
        finally:
            source.close()
        label = device_label(found)
    save_bundle(session.folder, describe_model(data, model_cfg, session.keys), best)
    write_history(session.folder / "history.parquet", progress.rows)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "epochs": progress.epochs,
            "best_epoch": progress.best_epoch,
            "monitor": cfg.monitor,
            "best": progress.best,
            "stopped_early": progress.stopped,
            "training_tiles": len(data.train),
            "samples_an_epoch": train.samples,
            "validation_tiles": len(data.validation),
            "data": source.name,
            "class_weights": dict(zip(data.table.names[1:], weights.tolist(), strict=True)),
        },
    }
