"""The training loop: Lightning's, configured so that a run can be killed and resumed to the bit."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from safetensors.numpy import load
from tqdm import tqdm

from nadir.errors import InputError
from nadir.learn.allocator import keep_freed_memory
from nadir.learn.batch_norm import synchronize_norms
from nadir.learn.devices import device_label
from nadir.learn.distributed import handed_out
from nadir.learn.group import ALONE, Group
from nadir.learn.history import BoardWriter
from nadir.learn.keeper import Keeper, Progress, best_path, cpu_weights, load_state
from nadir.learn.learner import Batches, Learner
from nadir.learn.memory import (
    GpuMemory,
    Memory,
    parts_of,
    remember_parts,
    room_for,
    too_large,
)
from nadir.learn.seeds import deterministic
from nadir.learn.session import OutOfMemory

log = logging.getLogger(__name__)


def fit(
    learner: Learner,
    train: Batches,
    validation: Batches,
    *,
    work: Path,
    seed: int,
    device: torch.device,
    logs: str | os.PathLike[str] | None = None,
    group: Group = ALONE,
    out_of_memory: OutOfMemory = "stop",
) -> tuple[dict[str, np.ndarray], Progress]:
    """Train, or go on from where a killed run with the same work folder stopped.

    Args:
        learner: The job's module; `learner.cfg` says how to train.
        train: Training batches.
        validation: Validation batches.
        work: Folder for the state, kept between runs; equal only for equal inputs.
        seed: Seed of everything random.
        device: Where to compute.
        logs: Folder for TensorBoard; None writes nothing.
        group: The processes that train together; batches are this one's share, and the first one
            alone writes. Any number of processes goes on from what any other number left.
        out_of_memory: What to do when a batch does not fit into memory: `stop` and say what would,
            or `split` batches and begin the epoch anew.

    Returns:
        The best epoch's weights, and how the training went.

    Raises:
        InputError: When a batch does not fit into the memory of a GPU.
        SystemExit: With status 143 when the process is asked to end (SIGTERM).
        LostProcessError: When another process of the group has ended.
    """
    deterministic(device)
    if device.type == "cpu":
        keep_freed_memory()
    synchronize_norms(learner.network(), group, device)
    learner.group, learner.parts = group, parts_of(work)
    start = cpu_weights(learner.network()) if out_of_memory == "split" else {}
    while (progress := _train(learner, train, validation, work, seed, device, logs)) is None:
        _make_room(learner, work, device, split=out_of_memory == "split")
        learner.network().load_state_dict(start)
    best = best_path(work, progress.best_epoch)
    return load(handed_out(group, best.read_bytes() if group.leads else None) or b""), progress


def _train(
    learner: Learner,
    train: Batches,
    validation: Batches,
    work: Path,
    seed: int,
    device: torch.device,
    logs: str | os.PathLike[str] | None,
) -> Progress | None:
    """Train to the end from the last state, if there is one; return None for lack of memory."""
    cfg, group = learner.cfg, learner.group
    progress = Progress()
    state = load_state(work, group)
    if state is not None:
        progress = Progress(**state["progress"])
        learner.network().load_state_dict(state["network"])
        learner.pending = state
        log.info("resuming after epoch %d of %d", progress.epochs, cfg.epochs)
    if progress.epochs < cfg.epochs and not progress.stopped:
        board = BoardWriter(logs if group.leads else None, progress.epochs + 1)
        keeper = Keeper(
            work,
            train,
            seed,
            cfg.monitor,
            cfg.early_stopping,
            board,
            progress,
            cfg.max_seconds,
            group,
        )
        try:
            with _quiet_lightning():
                trainer = build_trainer(
                    cfg.epochs,
                    cfg.precision,
                    device,
                    work,
                    [keeper, EpochBar()],
                    cfg.clip,
                    cfg.accumulate,
                )
                # Lightning counts from here; its own restart would repeat end-of-epoch hooks.
                done = trainer.fit_loop.epoch_progress.current
                done.processed = done.completed = progress.epochs  # type: ignore[attr-defined]
                trainer.fit(learner, train, validation)
        except SIGTERMException as error:  # Lightning's; its exit status would be 0, "done"
            raise SystemExit(128 + signal.SIGTERM) from error
        except torch.OutOfMemoryError:
            return None  # what the error holds is freed
        finally:
            board.close()
    return progress


def _make_room(
    learner: Learner,
    work: Path,
    device: torch.device,
    *,
    split: bool,
    memory: Callable[[torch.device], Memory] = GpuMemory,
) -> None:
    """Have batches computed in more parts, or say what would fit.

    Raises:
        InputError: When nothing helps, or all processes of a group have to start again.
    """
    batch, learner.batch = learner.batch, None
    samples = 0 if batch is None else learner.samples_in(batch)
    if split and learner.parts < samples:
        learner.parts *= 2
        remember_parts(work, learner.parts)
        log.warning(
            "the memory of this %s is too small for the batch: it is computed in %d parts",
            device_label(device),
            learner.parts,
        )
        if learner.group.size == 1:
            return
        raise InputError(
            "compute.out_of_memory",
            f"the memory of a {device_label(device)} is too small for a share of the batch",
            f"Run the command again: batches are computed in {learner.parts} parts from now on.",
        )
    room = None
    if samples and learner.group.size == 1:  # others would be missed
        learner.to(device)
        step = partial(_try_samples, learner, batch, device)
        room = room_for(step, samples, memory(device), learner.network())
    splits = split if learner.sample_axis is not None else None
    raise too_large(samples, room, device_label(device), splits, learner.batch_key)


def _try_samples(learner: Learner, batch: Any, device: torch.device, count: int) -> None:
    """Compute the loss of some samples, and its gradients."""
    with autocast(learner.cfg.precision, device):
        loss = learner.training_step(learner.first_of(batch, count), 0)
    assert isinstance(loss, torch.Tensor)
    loss.backward()


def build_trainer(
    epochs: int,
    precision: str,
    device: torch.device,
    work: Path,
    callbacks: list[Callback],
    clip: float | None = None,
    accumulate: int = 1,
) -> Trainer:
    """Return a Lightning Trainer for one process on one device, which keeps nothing by itself.

    The environment is named: Lightning would else read the geometry of a SLURM job that surrounds
    the process (SLURM_NTASKS, ...) and wait for siblings that do not exist.
    """
    gpu = device.type == "cuda"
    return Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=[device.index or 0] if gpu else 1,
        precision=_precision(precision, device),  # type: ignore[arg-type]
        max_epochs=epochs,
        gradient_clip_val=clip,
        accumulate_grad_batches=accumulate,
        callbacks=callbacks,
        plugins=[LightningEnvironment()],
        default_root_dir=work,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context in which the loop computes the loss of a batch; gradients come after it.

    Args:
        precision: `auto`, `32` or `bf16`, as the configuration says.
        device: Where to compute.
    """
    mixed = _precision(precision, device) == "bf16-mixed"
    return torch.autocast(device.type, torch.bfloat16, enabled=mixed)


def _precision(name: str, device: torch.device) -> str:
    """Return Lightning's name of a precision."""
    if name == "bf16":
        return "bf16-mixed"
    if (
        name == "auto"
        and device.type == "cuda"
        and torch.cuda.is_bf16_supported(including_emulation=False)
    ):
        return "bf16-mixed"
    return "32-true"


class EpochBar(Callback):
    """A progress bar over the batches of an epoch, where somebody watches."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None
        self._shown = sys.stderr.isatty()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a bar."""
        if self._shown:
            title = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            self._bar = tqdm(
                total=int(trainer.num_training_batches), desc=title, unit="batch", leave=False
            )

    def on_train_batch_end(self, *args: Any) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the bar; the epoch's line in the log stays."""
        if self._bar is not None:
            self._bar.close()


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Leave out Lightning's remarks on loaders and loggers, which this loop has by design."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\..*")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
