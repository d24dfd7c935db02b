"""Around each epoch: seeds before it; scores, best weights, schedule and state after it."""

from __future__ import annotations

import io
import logging
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from safetensors import SafetensorError
from safetensors.torch import save_file

from nadir.learn.distributed import agreed, average_gradients, handed_out, total_seconds
from nadir.learn.group import ALONE, Group
from nadir.learn.history import BoardWriter
from nadir.learn.learner import Batches, Learner
from nadir.learn.optim import learning_rate
from nadir.learn.seeds import seed_all
from nadir.provenance.atomic import atomic_path, library_faults, remove_leftovers

log = logging.getLogger(__name__)

STATE = "state.pt"
_SHOWN = ("train_loss", "validation_loss", "validation_miou", "validation_iou")


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epochs: Finished epochs.
        best: Best value of the monitored score so far; None before the first epoch.
        best_epoch: Epoch (from 1) that gave it.
        waited: Epochs since.
        stopped: Whether early stopping, or the end of the time, has ended the training.
        seconds: Wall time of the finished epochs.
        spent: Seconds of computing of the finished epochs, as `max_seconds` counts them.
        rows: The history, one row an epoch.
    """

    epochs: int = 0
    best: float | None = None
    best_epoch: int = 0
    waited: int = 0
    stopped: bool = False
    seconds: float = 0.0
    spent: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)


class Keeper(Callback):
    """Keeps a training resumable to the bit.

    After each epoch, in this order: scores; best weights (`best-N.safetensors`) if they are; the
    schedule's step; then one atomic file with everything (`state.pt`), which names the best
    weights. A run that is killed anywhere goes on from the last `state.pt`.

    Args:
        work: Folder of the state.
        batches: Training batches; told the epoch.
        seed: The training's seed.
        monitor: Name of the score that decides; a loss is minimized, anything else maximized.
        patience: Epochs without improvement after which the training stops; None for never.
        board: For TensorBoard.
        progress: How far earlier runs came.
        max_seconds: Seconds of computing after which the training ends; None for no such end.
        group: The processes that train together; the first one alone writes.
    """

    def __init__(
        self,
        work: Path,
        batches: Batches,
        seed: int,
        monitor: str,
        patience: int | None,
        board: BoardWriter,
        progress: Progress,
        max_seconds: float | None = None,
        group: Group = ALONE,
    ) -> None:
        self.group = group
        self.max_seconds = max_seconds
        self.work = work
        self.batches = batches
        self.seed = seed
        self.monitor = monitor
        self.patience = patience
        self.board = board
        self.progress = progress
        self._started = self._trained = self._computed = 0.0
        self._steps = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the epoch independent of what ran before it in this process."""
        epoch = trainer.current_epoch
        self.batches.set_epoch(epoch)
        # Each process drops units by chance of its own; all else of chance is made elsewhere.
        seed_all(self.seed, epoch, *([self.group.rank] if self.group.rank else []))
        self._started = time.perf_counter()
        self._computed = _computing(pl_module)
        self._steps = trainer.global_step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Know the batch at work, in case that it is too large; set its learning rate."""
        assert isinstance(pl_module, Learner) and pl_module.schedule is not None
        pl_module.batch = batch
        batches = int(trainer.num_training_batches)
        pl_module.schedule.begin_batch(trainer.current_epoch, batch_idx, batches)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Let all processes take the same step; gradients are clipped afterwards."""
        average_gradients(self.group, pl_module.parameters())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Average the weights; note the time, so that images per second leave validation out."""
        assert isinstance(pl_module, Learner)
        pl_module.batch = None
        # Batches whose gradients are only gathered change no weights.
        if pl_module.average is not None and trainer.global_step != self._steps:
            pl_module.average.update(pl_module.network(), self._done(trainer, pl_module, args[-1]))
        self._steps = trainer.global_step
        self._trained = time.perf_counter()
        if self._is_over(pl_module):
            trainer.should_stop = True  # Lightning validates now and ends the epoch

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Score, keep the best, step the schedule, save the state."""
        assert isinstance(pl_module, Learner) and pl_module.schedule is not None
        optimizer = trainer.optimizers[0]
        epoch = trainer.current_epoch + 1
        scores = agreed(self.group, pl_module.epoch_scores())
        row = {"epoch": float(epoch), **scores, "learning_rate": learning_rate(optimizer)}
        self._judge(scores[self.monitor], epoch, pl_module)
        self.progress.spent = self._spent(pl_module)
        pl_module.schedule.step(scores["validation_loss"], self.progress.spent)
        if self.max_seconds is not None and self.progress.spent >= self.max_seconds:
            self.progress.stopped = True
        now = time.perf_counter()
        row["seconds"] = now - self._started
        row["images_per_second"] = self.batches.samples / max(1e-9, self._trained - self._started)
        self.progress.rows.append(row)
        self.progress.seconds += row["seconds"]
        self.progress.epochs = epoch
        self._save(pl_module, optimizer)
        self.board.add(row, pl_module.pictures())
        trainer.should_stop = self.progress.stopped
        shown = ", ".join(f"{name} {row[name]:.4f}" for name in _SHOWN if name in row)
        mark = " (best)" if self.progress.best_epoch == epoch else ""
        log.info(
            "epoch %d/%s: %s, %.1f s%s", epoch, trainer.max_epochs, shown, row["seconds"], mark
        )

    def _done(self, trainer: Trainer, module: LightningModule, batch: int) -> float:
        """Return the share of the training that is over, by epochs or by time."""
        epochs = trainer.current_epoch + (batch + 1) / max(1, int(trainer.num_training_batches))
        by_epochs = epochs / max(1, trainer.max_epochs or 1)
        if self.max_seconds is None:
            return by_epochs
        return max(by_epochs, self._spent(module) / self.max_seconds)

    def _is_over(self, module: LightningModule) -> bool:
        """Tell whether the seconds of computing are spent, in the middle of an epoch."""
        if self.max_seconds is None:
            return False
        return self._spent(module) >= self.max_seconds

    def _spent(self, module: LightningModule) -> float:
        """Return the seconds of computing so far, the same in all processes."""
        own = _computing(module) - self._computed
        if module.device.type == "cuda":  # time of the wall, which passes for all at once
            return self.progress.spent + agreed(self.group, {"seconds": own})["seconds"]
        return self.progress.spent + total_seconds(self.group, own)

    def _judge(self, value: float, epoch: int, learner: Learner) -> None:
        """Compare with the best so far."""
        done = self.progress
        known = not math.isnan(value)
        if self.monitor.endswith("loss"):
            better = known and (done.best is None or value < done.best)
        else:
            better = known and (done.best is None or value > done.best)
        if (
            better or done.best_epoch == 0
        ):  # the first epoch's weights count even if its score is NaN
            done.best, done.best_epoch, done.waited = (value if known else None), epoch, 0
            if self.group.leads:
                write_best(best_path(self.work, epoch), cpu_weights(learner.judged()))
        else:
            done.waited += 1
            done.stopped = self.patience is not None and done.waited >= self.patience

    def _save(self, learner: Learner, optimizer: torch.optim.Optimizer) -> None:
        """Write the state, then drop best weights that it does not name."""
        assert learner.schedule is not None
        if not self.group.leads:
            return
        state = {
            "progress": asdict(self.progress),
            "network": learner.network().state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": learner.schedule.state_dict(),
            "average": learner.average.state_dict() if learner.average is not None else None,
        }
        write_state(self.work, state)
        keep = best_path(self.work, self.progress.best_epoch)
        for path in self.work.glob("best-*.safetensors"):
            if path != keep:
                path.unlink(missing_ok=True)


def write_best(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write weights as safetensors, atomically. Raises `OutputError` as `atomic_path` does."""
    with atomic_path(path) as temporary, library_faults(path, temporary, (SafetensorError,)):
        save_file(weights, temporary)


def write_state(work: Path, state: dict[str, Any]) -> None:
    """Write the state from which a training goes on, atomically.

    Args:
        work: Folder of the state.
        state: Tensors and plain values, as `load_state` returns them.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    path = work / STATE
    # Torch's writer raises what it finds odd about the file, not what the system has said.
    with atomic_path(path) as temporary, library_faults(path, temporary, (RuntimeError,)):
        torch.save(state, temporary)


def _computing(module: LightningModule) -> float:
    """Return a clock of computing: of all cores together on a CPU, of the wall with a GPU."""
    return time.process_time() if module.device.type == "cpu" else time.perf_counter()


def best_path(work: Path, epoch: int) -> Path:
    """Return where the weights of a best epoch lie."""
    return work / f"best-{epoch}.safetensors"


def cpu_weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of a network's tensors, contiguous, on the CPU."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in network.state_dict().items()
    }


def load_state(work: Path, group: Group = ALONE) -> dict[str, Any] | None:
    """Return the state that an earlier run left, or None; reads tensors and plain values only.

    Args:
        work: Folder of the state.
        group: The processes that train together; the first one reads.
    """
    state = _left(work) if group.leads else None
    if group.size == 1:
        return state
    content = handed_out(group, (work / STATE).read_bytes() if state is not None else None)
    if content is None or group.leads:
        return state
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _left(work: Path) -> dict[str, Any] | None:
    """Return the state that lies in a folder, or None."""
    path = work / STATE
    remove_leftovers(path)
    if not path.is_file():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        best = best_path(work, Progress(**state["progress"]).best_epoch)
    except OSError:
        raise  # it may be sound: what it holds must not be lost to a file system that fails
    except Exception:  # of torch, pickle and ZIP; what they advise is to trust the file
        log.warning("%s: it is damaged, so the training starts anew", path)
        return None
    if not best.is_file():
        log.warning("%s: the best weights are gone, so the training starts anew", path)
        return None
    return state
