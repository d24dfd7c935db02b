"""Training of the judge: changed photos, shares of classes, and photos that are known again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.experiments import TrainConfig
from nadir.config.groundview_evaluate import JudgeConfig
from nadir.groundview.judge_network import SHARES, JudgeNetwork
from nadir.learn.learner import Learner

Batch = tuple[Tensor, Tensor, Tensor]
"""Photos as they are but for mirror and color, the same ones cut anew, (n, 3, size, size) with
values -1..1, and shares of classes (n, SHARES), NaN where not known.
"""

_ORDER, _CHANGE = 0x10D6, 0x10D7
_LEAST_SIDE = 0.6  # of a photo that is cut anew
_COLOR = 0.15  # largest relative change of brightness, contrast and each channel


class LoopConfig(TrainConfig):
    """What the training loop is told; the last epoch is kept."""

    monitor: Literal["epoch"] = "epoch"  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class JudgedPhotos:
    """Photos to learn from.

    Attributes:
        photos: uint8 (n, size, size, 3), RGB.
        shares: float32 (n, SHARES); NaN where not known.
    """

    photos: NDArray[np.uint8]
    shares: NDArray[np.float32]

    @classmethod
    def of(
        cls, photos: NDArray[np.uint8], shares: NDArray[np.float32] | None, size: int
    ) -> JudgedPhotos:
        """Return photos (n, 3, height, width) scaled to a size, with their truth, if any."""
        known = np.full((len(photos), SHARES), np.nan, np.float32) if shares is None else shares
        return cls(scaled(photos, size), known)

    def __len__(self) -> int:
        return len(self.photos)


def scaled(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return pictures (n, 3, height, width) as (n, size, size, 3)."""
    found = np.empty((len(pictures), size, size, 3), np.uint8)
    for target, picture in zip(found, pictures, strict=True):
        plain = np.ascontiguousarray(picture.transpose(1, 2, 0))
        how = cv2.INTER_AREA if min(plain.shape[:2]) >= size else cv2.INTER_LINEAR
        target[:] = cv2.resize(plain, (size, size), interpolation=how)
    return found


def as_input(pictures: NDArray[np.uint8]) -> Tensor:
    """Return the network's input of pictures (n, size, size, 3): values -1..1, bands first."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1


class JudgeBatches:
    """The batches of an epoch; see `nadir.learn.learner.Batches`.

    Args:
        data: The photos.
        size: Photos of a batch; the last photos of an epoch's order that fill none are left out.
        seed: Seed of order and changes; None shows all photos in order and as they are.
    """

    def __init__(self, data: JudgedPhotos, size: int, seed: int | None = None) -> None:
        self.data = data
        self.seed = seed
        self.size = min(size, max(1, len(data)))
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch
        self.samples = len(self) * self.size

    def __len__(self) -> int:
        if self.seed is None:
            return -(-len(self.data) // self.size)
        return len(self.data) // self.size

    def __iter__(self) -> Iterator[Batch]:
        order = np.arange(len(self.data))
        if self.seed is not None:
            order = np.random.default_rng([self.seed, _ORDER, self.epoch]).permutation(order)
        for number in range(len(self)):
            rows = order[number * self.size : (number + 1) * self.size]
            shown = [self._changed(int(row)) for row in rows]
            light, cut = (np.stack(pictures) for pictures in zip(*shown, strict=True))
            yield as_input(light), as_input(cut), torch.from_numpy(self.data.shares[rows])

    def _changed(self, row: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        photo = self.data.photos[row]
        if self.seed is None:
            return photo, photo
        random = np.random.default_rng([self.seed, _CHANGE, self.epoch, row])
        light = _recolored(_mirrored(photo, random), random)
        return light, _recolored(_mirrored(_cut(photo, random), random), random)


def _mirrored(photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    return photo[:, ::-1] if random.random() < 0.5 else photo


def _cut(photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Return a random square of a photo, at its size."""
    side = photo.shape[0]
    part = round(side * random.uniform(_LEAST_SIDE, 1))
    top, left = random.integers(0, side - part + 1, 2)
    inner = np.ascontiguousarray(photo[top : top + part, left : left + part])
    return cv2.resize(inner, (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _recolored(photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    values = photo.astype(np.float32)
    gains = 1 + random.uniform(-_COLOR, _COLOR) + random.uniform(-_COLOR, _COLOR, 3) / 2
    middle = values.mean()
    values = (values - middle) * (1 + random.uniform(-_COLOR, _COLOR)) + middle
    return np.clip(np.rint(values * gains.astype(np.float32)), 0, 255).astype(np.uint8)


class JudgeLearner(Learner):
    """Trains the judge.

    Args:
        judge: The network.
        cfg: Its section.
    """

    sample_axis = 0
    batch_key = "judge.batch_size"

    def __init__(self, judge: JudgeNetwork, cfg: JudgeConfig) -> None:
        super().__init__(
            LoopConfig(
                epochs=cfg.epochs,
                batch_size=cfg.batch_size,
                optimizer=cfg.optimizer,
                scheduler=cfg.scheduler,
                max_seconds=cfg.max_seconds,
                precision=cfg.precision,
            )
        )
        self.judge = judge
        self.instance, self.temperature = cfg.instance, cfg.temperature
        self._sums: dict[str, list[Tensor]] = {}

    def network(self) -> nn.Module:
        """Return the network."""
        return self.judge

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch."""
        light, cut, shares = batch
        features = self.in_parts(self.judge, torch.cat([light, cut]))
        classes = share_loss(self.judge.shares(features[: len(light)]), shares)
        known = bool(torch.isfinite(shares).all(dim=1).any())
        weight = self.instance if known else 1.0
        total = classes
        if weight:
            directions = self.judge.direction(features)
            one, other = directions[: len(light)], directions[len(light) :]
            again = known_again(one, other, self.temperature)
            self._note("loss/instance", again)
            total = classes + weight * again
        if known:
            self._note("loss/shares", classes)
        self._note("train_loss", total)
        return total

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Score a batch of photos as they are, where their truth is known."""
        if torch.isfinite(batch[2]).all(dim=1).any():
            logs = self.judge.shares(self.judge(batch[0]))
            self._note("validation_loss", share_loss(logs, batch[2]))

    def _note(self, name: str, value: Tensor) -> None:
        self._sums.setdefault(name, []).append(value.detach())

    def epoch_scores(self) -> dict[str, float]:
        """Return the mean losses of the epoch."""
        scores = {name: float(torch.stack(values).mean()) for name, values in self._sums.items()}
        self._sums = {}
        nan: dict[str, Any] = {"train_loss": float("nan"), "validation_loss": float("nan")}
        return {**nan, **scores, "epoch": self.current_epoch + 1.0}


def share_loss(logs: Tensor, shares: Tensor) -> Tensor:
    """Return the mean divergence (Kullback-Leibler) of predicted shares from the truth.

    Args:
        logs: (n, SHARES) logarithms of predicted shares.
        shares: (n, SHARES) true shares; rows with NaN are left out.
    """
    there = torch.isfinite(shares).all(dim=1)
    if not there.any():
        return logs.sum() * 0
    return functional.kl_div(logs[there], shares[there], reduction="batchmean")


def known_again(one: Tensor, other: Tensor, temperature: float) -> Tensor:
    """Return the normalized temperature-scaled cross-entropy (NT-Xent; Chen et al. 2020).

    Args:
        one: (n, d) unit vectors of photos.
        other: (n, d) unit vectors of the same photos, changed.
        temperature: Temperature of the comparison.
    """
    both = torch.cat([one, other])
    scores = both @ both.T / temperature
    scores = scores.masked_fill(torch.eye(len(both), dtype=torch.bool, device=one.device), -1e9)
    own = torch.arange(len(both), device=one.device).roll(len(one))
    return functional.cross_entropy(scores, own)
