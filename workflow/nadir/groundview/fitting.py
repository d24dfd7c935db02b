"""Fitting a generator, and reading it back from its bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn

from nadir.config.groundview_experiments import (
    ConditionalGan,
    DcganEncoder,
    GeneratorConfig,
    ViewTrain,
)
from nadir.errors import InputError
from nadir.groundview.batches import NoBatches, Places, ViewBatches
from nadir.groundview.building import build_discriminator, build_generator
from nadir.groundview.conditions import Condition, Frame, conditions
from nadir.groundview.frames import FRAMES, read_frames, write_frames
from nadir.groundview.learner import (
    AdversarialLearner,
    Adversaries,
    EncoderLearner,
    FlowLearner,
    ViewLearner,
    adversarial_views,
)
from nadir.groundview.networks import ViewNetwork
from nadir.groundview.pairs import Pairs
from nadir.groundview.probe import Probe, collapsed
from nadir.groundview.training import HISTORY, TASK, ViewData, ViewSession
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, check_tensors, load_bundle, save_bundle
from nadir.learn.devices import device_label, lease
from nadir.learn.history import read_history, write_history
from nadir.learn.keeper import Progress
from nadir.learn.loop import fit
from nadir.learn.seeds import derived_seed, seed_all

_WEIGHTS = 2**32  # an epoch that never comes: the stream of the initial weights
_STAGES = {"whole": 0, "adversarial": 1, "encoder": 2}
_GENERATOR = "generator."
_TRAIN_AGAIN = "Train the generator again."


def fit_groundview(
    data: ViewData, model: GeneratorConfig, cfg: ViewTrain, session: ViewSession
) -> dict[str, Any]:
    """Train (or resume) and write the bundle, `history.parquet` and `frames.npz`.

    Args:
        data: What to learn from.
        model: The generator.
        cfg: The training of this stage.
        session: How and where.

    Returns:
        Facts for the run card: device, seconds, result.

    Raises:
        InputError: When losses become NaN; the state of the last sound epoch is kept.
    """
    seed = derived_seed(session.seed, cfg.seed, _STAGES[session.stage])
    frame = Frame(data.train.photos.shape[-1], data.train.crops.shape[-1], data.crop_m)
    with lease(session.device, lower=[ViewLearner.batch_key]) as device:
        torch.set_num_threads(session.threads)
        seed_all(seed, _WEIGHTS)
        learner = build_learner(data, model, cfg, session, frame)
        # Convolutions of few channels are a third quicker so, on a CPU as on a GPU.
        learner.trained.to(memory_format=torch.channels_last)
        batches = ViewBatches(places_of(data.train), model, frame, cfg, seed)
        best, progress = fit(
            learner, batches, NoBatches(), work=session.work, seed=seed, device=device
        )
        label = device_label(device)
    adversarial = isinstance(learner, AdversarialLearner)
    weights = {
        name.removeprefix(_GENERATOR) if adversarial else name: value
        for name, value in best.items()
        if not adversarial or name.startswith(_GENERATOR)
    }
    save_bundle(session.folder, describe(model, frame, session.keys), weights)
    _write_history(progress, session)
    _write_frames(learner, session)
    last = progress.rows[-1] if progress.rows else {}
    counted = sum(value.size for name, value in weights.items() if "num_batches" not in name)
    return {
        "device": label,
        "seconds": progress.seconds,
        "result": {
            "parameters": int(counted),
            "epochs": progress.epochs,
            "stage": session.stage,
            "diversity": last.get("diversity"),
            "collapsed": collapsed(progress.rows, cfg.collapse_below),
            "ended_by_time": progress.stopped,
            "training_pairs": len(data.train),
        },
    }


def build_learner(
    data: ViewData, model: GeneratorConfig, cfg: ViewTrain, session: ViewSession, frame: Frame
) -> ViewLearner:
    """Return the learner of a stage, with random weights where no earlier stage gave any."""
    generator = build_generator(model, frame)
    shown = places_of(data.shown)
    condition = conditions(shown.crops, shown.headings, model, frame)
    make = adversarial_views if _is_adversarial(model, session) else _views
    probe = Probe(shown, condition, make, generator.latent_size, cfg, session.work)
    if session.stage == "encoder":
        assert isinstance(model, DcganEncoder) and session.before is not None
        _take_generator(generator, session.before)
        return EncoderLearner(generator, cfg, model.encoder, probe, session.work)  # type: ignore[arg-type]
    if isinstance(model, ConditionalGan | DcganEncoder):
        judge = build_discriminator(model, frame.image_px)
        return AdversarialLearner(Adversaries(generator, judge), cfg, probe, session.work)
    return FlowLearner(generator, cfg, probe, session.work)


def _is_adversarial(model: GeneratorConfig, session: ViewSession) -> bool:
    return isinstance(model, ConditionalGan) or session.stage == "adversarial"


def _views(network: nn.Module, condition: Condition, latents: Tensor) -> Tensor:
    assert isinstance(network, ViewNetwork)
    return network.views(condition, latents * network.spread)


def places_of(pairs: Pairs) -> Places:
    """Return what of pairs a generator learns from."""
    return Places(pairs.photos, pairs.crops, pairs.headings)


def _take_generator(network: nn.Module, folder: Path) -> None:
    """Load the generator that an adversarial stage trained; the encoder is left as it is."""
    weights = load_bundle(folder).weights
    given = {
        name.removeprefix(_GENERATOR): torch.from_numpy(np.array(value))
        for name, value in weights.items()
        if name.startswith(_GENERATOR)
    }
    network.get_submodule("generator").load_state_dict(given)


def _write_history(progress: Progress, session: ViewSession) -> None:
    """Write the epochs of all stages; `stage` is 1 and 2 for the DCGAN's."""
    rows: list[dict[str, float]] = []
    if session.before is not None:
        rows = [
            {str(name): float(value) for name, value in row.items()}
            for row in read_history(session.before / HISTORY).to_dict("records")
        ]
    first = len(rows)
    for row in progress.rows:
        stage = float(_STAGES[session.stage])
        rows.append(row | {"epoch": row["epoch"] + first, "stage": stage})
    write_history(session.folder / HISTORY, rows)


def _write_frames(learner: ViewLearner, session: ViewSession) -> None:
    """Write the frames of all stages."""
    frames, steps = learner.probe.keeper.frames()
    if session.before is not None:
        earlier, numbers = read_frames(session.before / FRAMES)
        frames = np.concatenate([earlier, frames])
        steps = np.concatenate([numbers, steps + numbers.max(initial=0)])
    write_frames(session.folder / FRAMES, frames, steps)


def describe(model: GeneratorConfig, frame: Frame, keys: dict[str, Any]) -> dict[str, Any]:
    """Return what `model.yaml` says: all that generating needs, equal for equal trainings."""
    return {
        "task": TASK,
        "network": model.model_dump(mode="json"),
        "image_px": frame.image_px,
        "crop_px": frame.crop_px,
        "crop_m": frame.crop_m,
        "keys": keys,
    }


def load_network(folder: str | os.PathLike[str]) -> tuple[ViewNetwork, GeneratorConfig, Frame]:
    """Read a bundle that `fit_groundview` made. Nothing in it is executed or unpickled.

    Returns:
        The network in evaluation mode, its section, and the sizes of views and crops.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    bundle = load_bundle(folder)
    path = Path(bundle.folder) / DESCRIPTION
    said = bundle.description
    if said.get("task") != TASK:
        problem = f"this is a model for {said.get('task')!r}, not for {TASK}"
        raise InputError(path, problem, _TRAIN_AGAIN)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(GeneratorConfig)
        cfg = adapter.validate_python(said["network"])
        frame = Frame(int(said["image_px"]), int(said["crop_px"]), float(said["crop_m"]))
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, "it does not describe this kind of model", _TRAIN_AGAIN) from error
    network = build_generator(cfg, frame)
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: value.shape for name, value in bundle.weights.items()}
    check_tensors(Path(bundle.folder) / WEIGHTS, expected, given)
    network.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in bundle.weights.items()}
    )
    return network.eval(), cfg, frame
