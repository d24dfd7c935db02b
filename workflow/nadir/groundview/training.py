"""Training of a generator: kept by key, resumed where it was killed.

How a network is fitted is handed in (`Fit`), so that nothing here imports torch. The DCGAN has two
stages, and the first is kept by a key of its own: encoders of several losses share it.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nadir.config.groundview_experiments import DcganEncoder, GeneratorConfig, ViewTrain
from nadir.errors import InputError
from nadir.groundview.frames import FRAMES
from nadir.groundview.pairs import Pairs, open_pairs
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.learn.devices import check_device
from nadir.learn.kept import CARD, TrainingRun, keep_training
from nadir.learn.session import Session

log = logging.getLogger(__name__)

TASK = "ground view"
"""What `model.yaml` calls the task of these models."""

HISTORY = "history.parquet"

_DCGAN_SIDE = 32  # five doublings
_LEAST = 2

Stage = Literal["whole", "adversarial", "encoder"]
"""What of a training is run: all of it, or one of the DCGAN's two stages."""


@dataclass(frozen=True)
class ViewData:
    """What a generator learns from.

    Attributes:
        train: Pairs to learn from.
        shown: Pairs whose views are looked at after each epoch.
        crop_m: Side of a crop on the ground in metres.
    """

    train: Pairs
    shown: Pairs
    crop_m: float


@dataclass(frozen=True)
class ViewSession(Session):
    """How and where to fit a generator.

    Attributes:
        stage: What is run.
        before: For `encoder`: folder of what the adversarial stage gave.
    """

    stage: Stage = "whole"
    before: Path | None = None


Fit = Callable[[ViewData, GeneratorConfig, ViewTrain, ViewSession], dict[str, Any]]
"""(data, generator, training, session) -> facts for the run card."""


def train_groundview(
    fit: Fit,
    pairs: str | os.PathLike[str],
    *,
    network: GeneratorConfig,
    train: ViewTrain,
    model: Path,
    history: Path,
    frames: Path,
    run: TrainingRun,
) -> str:
    """Train a generator, or deliver what an equal training gave before.

    The result is kept under a key of all that it depends on: the pairs, network, training, code and
    seed. An unfinished run with the same key is resumed after its last finished epoch.

    Args:
        fit: Fits a generator to pairs.
        pairs: Manifest of the pairs.
        network: The generator's section.
        train: The training's section.
        model: Folder for `model.safetensors`, `model.yaml` and `card.json`.
        history: `history.parquet` to write.
        frames: `frames.npz` to write.
        run: Where it is kept, of which code and seed, and what computes it.

    Returns:
        The key.

    Raises:
        InputError: For pairs that are too few or of a size the generator cannot make, a device that
            is not there, or losses that became NaN.
        OutputError: When the disk is full or not writable.
    """
    data = view_data(open_pairs(pairs), network, train, pairs)
    check_device(run.device)
    parts: dict[str, Any] = {"pairs": data.train.digest}
    cfg = ("model", "train")
    names = (WEIGHTS, DESCRIPTION, CARD, FRAMES, HISTORY)

    def fit_first(session: Session) -> dict[str, Any]:
        stage = ViewSession(**vars(session), stage="adversarial")
        return fit(data, network, first_stage(network, train), stage)

    def fit_into(session: Session) -> dict[str, Any]:
        if not isinstance(network, DcganEncoder):
            return fit(data, network, train, ViewSession(**vars(session)))
        before = session.work / "adversarial"
        shared = network.model_dump(mode="json", include={"name", "latent", "width"})
        first = {"model": shared, "train": first_stage(network, train).model_dump(mode="json")}
        outputs = {name: before / name for name in names}
        shared_run = replace(run, cache_root=run.cache_root / "adversarial")
        keep_training(fit_first, shared_run, parts | first, outputs, cfg=cfg)
        stage = ViewSession(**vars(session), stage="encoder", before=before)
        return fit(data, network, second_stage(network, train), stage)

    places = [model / WEIGHTS, model / DESCRIPTION, model / CARD, frames, history]
    sections = {"model": network.model_dump(mode="json"), "train": train.model_dump(mode="json")}
    outputs = dict(zip(names, places, strict=True))
    return keep_training(fit_into, run, parts | sections, outputs, cfg=cfg)


def view_data(
    pairs: Pairs, network: GeneratorConfig, train: ViewTrain, where: str | os.PathLike[str]
) -> ViewData:
    """Return what there is to learn from and to look at.

    Places to look at are of the split `validation`, or of the training where that has too few.

    Args:
        pairs: All pairs.
        network: The generator's section.
        train: The training's section.
        where: What the pairs were read from, for messages.

    Raises:
        InputError: When there are too few pairs, or photos of a size that cannot be made.
    """
    check_side(network, pairs.photos.shape[-1])
    learnt = pairs.of("train")
    if len(learnt) < _LEAST:
        problem = f"it has {len(learnt)} training pairs, and a generator needs {_LEAST} at least"
        remedy = "Give more photos, loosen the filters, or lower the shares of test and validation."
        raise InputError(where, problem, remedy)
    if len(learnt) < train.batch_size:
        log.warning(
            "there are %d training pairs and %d in a batch: some are shown twice in it",
            len(learnt),
            train.batch_size,
        )
    held = pairs.of("validation")
    shown = held if len(held) >= train.shown else learnt
    rows = np.unique(np.linspace(0, len(shown) - 1, train.shown).round().astype(np.int64))
    return ViewData(learnt, shown.take(rows), crop_side(pairs, network))


def crop_side(pairs: Pairs, network: GeneratorConfig) -> float:
    """Return the side of crops in metres: as configured, as the pairs say, or a metre a pixel."""
    projection = None if isinstance(network, DcganEncoder) else network.projection
    if projection is not None and projection.crop_m is not None:
        return projection.crop_m
    resolution = pairs.facts.get("resolution")
    return float(pairs.crops.shape[-1] * (1.0 if resolution is None else resolution))


def check_side(network: GeneratorConfig, image_px: int) -> None:
    """See that a generator can make photos of a size.

    Raises:
        InputError: When it cannot.
    """
    if isinstance(network, DcganEncoder):
        step, why = _DCGAN_SIDE, "five doublings make"
    else:
        step, why = network.patch, f"squares of {network.patch} pixels make"
    if image_px % step:
        problem = f"{why} no picture of {image_px} pixels a side"
        remedy = f"Set image_px of the dataset to a multiple of {step}."
        raise InputError(f"model {network.name}", problem, remedy)


def first_stage(network: GeneratorConfig, train: ViewTrain) -> ViewTrain:
    """Return the training of a DCGAN's first stage."""
    assert isinstance(network, DcganEncoder)
    return _share(train, 1 - network.encoder.share)


def second_stage(network: GeneratorConfig, train: ViewTrain) -> ViewTrain:
    """Return the training of its encoder."""
    assert isinstance(network, DcganEncoder)
    return _share(train, network.encoder.share)


def _share(train: ViewTrain, share: float) -> ViewTrain:
    """Return a training that has a share of the epochs and of the time."""
    seconds = None if train.max_seconds is None else train.max_seconds * share
    epochs = max(1, math.ceil(train.epochs * share))
    return train.model_copy(update={"epochs": epochs, "max_seconds": seconds})
