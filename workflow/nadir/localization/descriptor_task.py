"""The descriptor's training step: a photo must correlate best with its own ground, at its place."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from nadir.config.experiments import TrainConfig
from nadir.learn.learner import Learner
from nadir.localization.descriptor import Descriptor
from nadir.localization.turning import disk

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_BLUR = 0.6  # cells over which the right place is spread in the target


class DescriptorLearner(Learner):
    """Trains a descriptor by contrast: each photo against all places of all grounds of a batch.

    The score of a place is the very correlation that the search computes; InfoNCE over places
    (van den Oord et al., "Representation learning with contrastive predictive coding", 2018).

    Args:
        model: The network.
        cfg: The training's section.
    """

    sample_axis = 0
    batch_key = "descriptor.batch_size"

    def __init__(self, model: Descriptor, cfg: TrainConfig) -> None:
        super().__init__(cfg)
        self.model = model
        self._sums: dict[str, list[float]] = {}

    def network(self) -> nn.Module:
        """Return the network."""
        return self.model

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        """Return the loss of a batch."""
        loss, found = self._loss(batch)
        self._add("train", loss, found)
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Add a batch to the scores."""
        self._add("validation", *self._loss(batch))

    def epoch_scores(self) -> dict[str, float]:
        """Return losses, and the shares of photos found within a cell."""
        scores = {}
        for split in ("train", "validation"):
            loss, found, batches = self._sums.pop(split, [float("nan")] * 3)
            scores[f"{split}_loss"] = loss / batches
            scores[f"{split}_found"] = found / batches
        return scores

    def _add(self, split: str, loss: torch.Tensor, found: float) -> None:
        sums = self._sums.setdefault(split, [0.0, 0.0, 0.0])
        for k, value in enumerate((loss.item(), found, 1.0)):
            sums[k] += value

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, float]:
        photos, grounds, places = batch
        scores = self.scores(photos, grounds)
        count, _, rows, columns = scores.shape
        target = torch.zeros_like(scores)
        x = torch.arange(columns, device=scores.device, dtype=torch.float32)
        y = torch.arange(rows, device=scores.device, dtype=torch.float32)
        for k in range(count):
            dx, dy = x - places[k, 0], y - places[k, 1]
            near = torch.exp(-(dx[None].square() + dy[:, None].square()) / (2 * _BLUR**2))
            target[k, k] = near / near.sum().clamp_min(1e-12)
        logits = (scores * self.model.sharpness.exp()).reshape(count, -1)
        loss = -(target.reshape(count, -1) * logits.log_softmax(1)).sum(1).mean()
        best = logits.detach().argmax(1)
        own = torch.arange(count, device=scores.device)
        flat = best % (rows * columns)
        off = torch.hypot(flat % columns - places[:, 0], flat // columns - places[:, 1])
        right = (best // (rows * columns) == own) & (off < 1.5)
        return loss, float(right.float().mean())

    def scores(self, photos: torch.Tensor, grounds: torch.Tensor) -> torch.Tensor:
        """Return correlations (photo, ground, row, column) at all places.

        Args:
            photos: (n, 3, s, s) float32.
            grounds: (m, 3, S, S) float32.
        """
        features, under = (self.in_parts(self.model, shown) for shown in (photos, grounds))
        mean = under.mean((0, 2, 3), keepdim=True)
        side, wide = features.shape[-1], under.shape[-1]
        window = torch.from_numpy(np.asarray(disk(side))).to(features)
        features, under = (features - mean) * window, under - mean
        size, places = (wide, wide), wide - side + 1
        one, other = torch.fft.rfft2(features, s=size), torch.fft.rfft2(under)
        product = torch.einsum("mchw,nchw->nmhw", other, one.conj())
        dot = torch.fft.irfft2(product, s=size)[..., :places, :places]
        squares = torch.fft.rfft2(under.square().sum(1)) * torch.fft.rfft2(window, s=size).conj()
        energy = torch.fft.irfft2(squares, s=size)[..., :places, :places].clamp_min(1e-3)
        own = features.square().sum((1, 2, 3)).sqrt().view(-1, 1, 1, 1)
        return dot / (energy.sqrt() * own + 1e-6)
