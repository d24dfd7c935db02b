"""The training loop: Lightning's, configured so that a run can be killed and resumed to the bit."""

from __future__ import annotations

import logging
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.utilities.exceptions import SIGTERMException
from safetensors.numpy import load
from tqdm import tqdm

from nadir.learn.batch_norm import synchronize_norms
from nadir.learn.distributed import handed_out
from nadir.learn.group import ALONE, Group
from nadir.learn.history import BoardWriter
from nadir.learn.keeper import Keeper, Progress, best_path, load_state
from nadir.learn.learner import Batches, Learner
from nadir.learn.seeds import deterministic

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

    Returns:
        The best epoch's weights, and how the training went.

    Raises:
        SystemExit: With status 143 when the process is asked to end (SIGTERM).
        LostProcessError: When another process of the group has ended.
    """
    cfg = learner.cfg
    deterministic(device)
    progress = Progress()
    synchronize_norms(learner.network(), group, device)
    learner.group = group
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
        finally:
            board.close()
    best = best_path(work, progress.best_epoch)
    return load(handed_out(group, best.read_bytes() if group.leads else None) or b""), progress


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
