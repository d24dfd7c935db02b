"""Fitting a network to training data, into a folder with bundle, history and facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback

from nadir.config.experiments import AugmentConfig, ModelConfig, TrainConfig
from nadir.learn.bundle import save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.group import ALONE, Group
from nadir.learn.history import write_history
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all
from nadir.segmentation.data import TileBatches, choose_source
from nadir.segmentation.dataset import TrainingData, crop_chances, crop_places, rich_tiles
from nadir.segmentation.describe import describe_model
from nadir.segmentation.losses import class_weights
from nadir.segmentation.models.registry import build_model
from nadir.segmentation.patches import Window
from nadir.segmentation.sources import Source
from nadir.segmentation.task import SegmentationLearner
from nadir.segmentation.train import MapSession
from nadir.tiles.augment import Look, random_look
from nadir.tiles.crops import Ground, crop_plan
from nadir.tiles.disturb import Disturbance, Mix, random_disturbance, random_mix
from nadir.tiles.sampling import SamplePlan, disturb_rng, look_rng, mix_rng, sample_plan

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights


def fit_network(
    data: TrainingData,
    model_cfg: ModelConfig,
    cfg: TrainConfig,
    session: MapSession,
    watchers: Sequence[Callback] = (),
) -> dict[str, Any]:
    """Train a network (or resume) and write `model.safetensors`, `model.yaml`, `history.parquet`.

    Args:
        data: What to learn from.
        model_cfg: The network.
        cfg: The training.
        session: How and where.
        watchers: Who is told of each epoch; they change no result, though they may end a training.

    Returns:
        Facts for the run card: device, seconds, result.

    Raises:
        InputError: For a model that cannot be built or a device that is not there.
    """
    run_seed = derived_seed(session.seed, cfg.seed)
    with lease(session.device, session.group, lower=[SegmentationLearner.batch_key]) as found:
        torch.set_num_threads(session.threads)
        learner = build_learner(data, model_cfg, cfg, run_seed)
        learner.watchers.extend(watchers)
        source = choose_source(
            data.scenes,
            [*data.train, *data.validation],
            data.statistics,
            found,
            session.threads,
            session.memory,
            data.table.count if cfg.loss.uses_outlines else None,
            cfg.loss.extras,
            data.table.count,
            session.group.local_size,
        )

        def in_order(epoch: int) -> SamplePlan:
            return sample_plan(len(data.validation), run_seed, 0, shuffle=False)

        train = training_batches(source, data, cfg, run_seed, session.group)
        validation = TileBatches(
            source, data.validation, in_order, cfg.batch_size, group=session.group
        )
        try:
            best, progress = fit(
                learner,
                train,
                validation,
                work=session.work,
                seed=run_seed,
                device=found,
                logs=session.logs,
                group=session.group,
                out_of_memory=session.out_of_memory,
            )
        finally:
            source.close()
        label = device_label(found)
    tile = crop_side(data, cfg.augment)
    save_bundle(session.folder, describe_model(data, model_cfg, session.keys, tile), best)
    write_history(session.folder / "history.parquet", progress.rows)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": sum(p.numel() for p in learner.network().parameters()),
            "epochs": progress.epochs,
            "best_epoch": progress.best_epoch,
            "monitor": cfg.monitor,
            "best": progress.best,
            "stopped_early": progress.stopped,
            "computing_seconds": round(progress.spent, 3),
            "training_tiles": len(data.train),
            "samples_an_epoch": train.samples,
            "validation_tiles": len(data.validation),
            "data": source.name,
            "class_weights": dict(
                zip(data.table.names[1:], learner.loss.weights.tolist(), strict=True)
            ),
        },
    }


def build_learner(
    data: TrainingData, model_cfg: ModelConfig, cfg: TrainConfig, seed: int
) -> SegmentationLearner:
    """Return the network with the weights that a training starts from, and its loss.

    Args:
        data: What to learn from.
        model_cfg: The network.
        cfg: The training.
        seed: Seed of the weights.

    Raises:
        InputError: For a model that cannot be built.
    """
    seed_all(seed, _WEIGHTS)
    network = build_model(
        model_cfg,
        data.statistics.channels,
        data.table.count,
        dates=len(data.dates),
        bands=data.bands,
    )
    weights = class_weights(cfg.loss, data.counts.tolist(), data.table.names[1:])
    return SegmentationLearner(network, cfg, data.table, weights)


def training_batches(
    source: Source, data: TrainingData, cfg: TrainConfig, seed: int, group: Group = ALONE
) -> TileBatches:
    """Return the batches of a training: tiles, or random crops of their ground, as configured.

    Args:
        source: Where patches come from.
        data: What to learn from.
        cfg: The training.
        seed: Seed of order, forms and crops.
        group: The processes that train together.
    """
    augment = cfg.augment
    rich = rich_tiles(data, augment)

    def look(epoch: int, sample: int) -> Look:
        rng = look_rng(seed, epoch, sample)
        return random_look(rng, data.statistics.channels, augment.jitter)

    def disturbance(epoch: int, sample: int) -> Disturbance:
        return random_disturbance(
            disturb_rng(seed, epoch, sample),
            *data.statistics.mean.shape,
            jitter=augment.date_jitter,
            drop_band=augment.drop_band,
            drop_date=augment.drop_date,
            clouds=augment.clouds,
        )

    def mix(epoch: int, sample: int) -> Mix | None:
        rng = mix_rng(seed, epoch, sample)
        return random_mix(rng, augment.mix, augment.mix_chance, data.table.count)

    treated: dict[str, Any] = {
        "look": look if augment.jitter else None,
        "disturbance": disturbance if augment.disturbs else None,
        "mix": mix if augment.mix != "none" else None,
        "group": group,
    }
    if augment.crops is None:

        def tiles(epoch: int) -> SamplePlan:
            return sample_plan(len(data.train), seed, epoch, augment.dihedral, rich)

        return TileBatches(source, data.train, tiles, cfg.batch_size, **treated)
    ground = Ground(np.array([_numbers(window) for window in data.train], np.int64))
    side = crop_side(data, augment)
    chances = crop_chances(rich)
    places = crop_places(data, augment, seed, rich)

    def crops(epoch: int) -> SamplePlan:
        return crop_plan(
            ground,
            seed,
            epoch,
            count=augment.crops or 1,
            side=side,
            scale=augment.scale,
            turned=augment.dihedral != "none",
            rotate=augment.rotate,
            chances=chances,
            places=places,
        )

    return TileBatches(source, data.train, crops, cfg.batch_size, side, **treated)


def crop_side(data: TrainingData, cfg: AugmentConfig) -> int:
    """Return the side in pixels of what a network is shown at most: a good window to predict."""
    return data.tile if cfg.crops is None else cfg.crop or data.tile


def _numbers(window: Window) -> tuple[int, int, int, int]:
    return window.scene, window.y, window.x, window.size
