"""The segmentation task for the training loop: losses, confusion matrix, sample pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nadir.config.classes import ClassTable
from nadir.config.experiments import TrainConfig
from nadir.learn.distributed import gathered, summed, summed_counts
from nadir.learn.learner import Learner
from nadir.segmentation.confusion import (
    accuracy,
    dice,
    empty_confusion,
    iou,
    macro_mean,
    update_confusion,
)
from nadir.segmentation.losses import SegmentationLoss

Batch = tuple[torch.Tensor, ...]
"""Input float32 (B, C, H, W), target int64 (B, H, W) with -1 ignored, and what the loss looks at
besides (`LossConfig.extras`, in their order).
"""

_SAMPLES = 4


class SegmentationLearner(Learner):
    """Trains a segmentation network.

    Args:
        model: float32 (B, C, H, W) -> logits (B, K, H, W).
        cfg: The training's section.
        table: The classes.
        weights: float32 (K,) weight of each class in the loss.
    """

    sample_axis = 0

    def __init__(
        self, model: nn.Module, cfg: TrainConfig, table: ClassTable, weights: np.ndarray
    ) -> None:
        super().__init__(cfg)
        self.model = model
        self.table = table
        self.loss = SegmentationLoss(cfg.loss, weights)
        self._monitored = cfg.monitor_class or table.names[-1]
        self._sums: dict[str, torch.Tensor] = {}
        self._confusion = empty_confusion(table.count)
        self._samples: list[tuple[np.ndarray, np.ndarray]] = []

    def network(self) -> nn.Module:
        """Return the network."""
        return self.model

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        inputs, target, *extras = batch
        logits = self.in_parts(self.model, inputs)
        total, weight = self._loss_sums(logits, target, extras)
        self._add("train", total, weight)
        return total / weight.clamp_min(torch.finfo(torch.float32).tiny)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add a batch to the validation loss and to the confusion matrix.

        Where validation tiles overlap, shared pixels count once a tile: this serves to choose an
        epoch; scores of record are counted on the mosaic.
        """
        inputs, target, *extras = batch
        logits = self.judged()(inputs)
        self._add("validation", *self._loss_sums(logits, target, extras))
        truth = (target + 1).to(torch.uint8).cpu().numpy()
        guess = (logits.argmax(dim=1) + 1).to(torch.uint8).cpu().numpy()
        update_confusion(self._confusion, truth, guess)
        room = _SAMPLES - len(self._samples)
        self._samples += list(zip(truth[:room], guess[:room], strict=True))

    def epoch_scores(self) -> dict[str, float]:
        """Return losses, mean IoU, accuracy, per-class IoU and Dice on validation tiles.

        `validation_iou` is the IoU of the class that the training watches.
        """
        matrix = summed_counts(self.group, self._confusion)
        scores = {}
        for split in ("train", "validation"):
            total, weight = self._sums.pop(split, torch.zeros(2)).tolist()
            scores[f"{split}_loss"] = total / weight if weight else float("nan")
        ious, dices = iou(matrix), dice(matrix)
        scores["validation_miou"] = macro_mean(ious)
        scores["validation_accuracy"] = accuracy(matrix)
        for name, value in zip(self.table.names[1:], ious, strict=True):
            scores[f"iou/{name}"] = float(value)
        scores["validation_iou"] = scores[f"iou/{self._monitored}"]
        for name, value in zip(self.table.names[1:], dices, strict=True):
            scores[f"dice/{name}"] = float(value)
        self._confusion = empty_confusion(self.table.count)
        return scores

    def pictures(self) -> dict[str, np.ndarray]:
        """Return the first validation tiles, truth above prediction, in the classes' colors."""
        palette = np.array([_rgb(color) for color in self.table.colors], np.uint8)
        side = min((truth.shape[0] for truth, _ in self._samples), default=0)
        pairs = [
            np.concatenate([palette[truth[:side, :side]], palette[guess[:side, :side]]], axis=0)
            for truth, guess in self._samples
        ]
        self._samples = []
        return {"truth above prediction": np.concatenate(pairs, axis=1)} if pairs else {}

    def _loss_sums(
        self, logits: torch.Tensor, target: torch.Tensor, extras: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return numerator and denominator of the loss of the batch, over all processes."""
        if self.loss.adds_up:
            total, weight = self.loss.sums(logits, target, **self._named(extras))
            return summed(self.group, total), summed(self.group, weight)
        # The other terms compare regions of the whole batch.
        whole = [gathered(self.group, part) for part in (logits, target, *extras)]
        return self.loss.sums(whole[0], whole[1], **self._named(whole[2:]))

    def _named(self, extras: list[torch.Tensor]) -> dict[str, torch.Tensor]:
        return dict(zip(self.cfg.loss.extras, extras, strict=True))

    def _add(self, split: str, total: torch.Tensor, weight: torch.Tensor) -> None:
        # Stays on the device: reading a number there would wait for the GPU at each step.
        both = torch.stack([total.detach(), weight.detach()]).double()
        self._sums[split] = self._sums[split] + both if split in self._sums else both


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
