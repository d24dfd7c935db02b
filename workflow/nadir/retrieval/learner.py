"""Training of a retrieval network: batches of places, losses, and how well places are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.experiments import TrainConfig
from nadir.config.retrieval_experiments import RetrievalTrain
from nadir.learn.distributed import gathered
from nadir.learn.group import ALONE, Group
from nadir.learn.learner import Learner
from nadir.retrieval.augment import Shown, augment
from nadir.retrieval.losses import RetrievalLoss, contrast
from nadir.retrieval.networks import EmbeddingNetwork, normalized
from nadir.retrieval.pictures import Pictures
from nadir.retrieval.sampling import chosen_picture, epoch_plan, nearest_places

Batch = tuple[Tensor, Tensor]
"""Normalized pictures float32 (views, B, 3, side, side), and numbers of their places (views, B)."""

_SHARPNESS = 15.0  # of the validation's loss, which compares epochs and recipes


class LoopConfig(TrainConfig):
    """What the training loop is told, with the scores of retrieval to choose an epoch by."""

    monitor: Literal["validation_loss", "validation_recall", "epoch"] = "epoch"  # type: ignore[assignment]


@dataclass(frozen=True)
class PlacePictures:
    """The pictures of places.

    Attributes:
        pictures: All pictures.
        rows: For each place, and each of its views, which of the pictures show it.
        overhead: For each view, whether it looks straight down.
    """

    pictures: Pictures
    rows: Sequence[Sequence[Sequence[int]]]
    overhead: Sequence[bool]

    def __len__(self) -> int:
        return len(self.rows)


class PlaceBatches:
    """The batches of an epoch; see `nadir.learn.learner.Batches`. A sample is a picture.

    Args:
        data: The pictures of the places.
        cfg: The training's section.
        seed: Seed of order, choice and changes; None shows the first picture of each view of each
            place, in order and as it is.
        memory: Gives the features of the last epoch, (views, places, dimensions), for batches of
            near places.
        group: The processes that train together: of each batch, this one's share is shown.
    """

    def __init__(
        self,
        data: PlacePictures,
        cfg: RetrievalTrain,
        seed: int | None = None,
        memory: Callable[[], Tensor] | None = None,
        group: Group = ALONE,
    ) -> None:
        self.group = group
        self.data = data
        self.cfg = cfg
        self.seed = seed
        self.memory = memory
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch
        self._batches = self._plan(epoch)
        self.samples = sum(batch.size for batch in self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches:
            own = batch[:, self.group.share(batch.shape[1])]
            # A process that has no place in a small batch prepares one of which nothing is shown.
            made = own if own.size else batch[:, :1]
            shown = np.stack(
                [
                    np.stack([self._picture(view, place) for place in places])
                    for view, places in enumerate(made.tolist())
                ]
            )
            yield normalized(shown[:, : own.shape[1]]), torch.from_numpy(own.copy())

    def _plan(self, epoch: int) -> Sequence[NDArray[np.int64]]:
        views, places = len(self.data.overhead), len(self.data)
        if self.seed is None:
            starts = range(0, places, self.cfg.batch_size)
            parts = [np.arange(k, min(k + self.cfg.batch_size, places)) for k in starts]
            return [np.stack([part] * views).astype(np.int64) for part in parts]
        near = None
        hard = self.cfg.hard_negatives
        if hard and self.memory is not None and epoch >= self.cfg.hard_from:
            near = nearest_places(self.memory().cpu().numpy(), self.cfg.neighbors)
        return epoch_plan(
            places,
            self.cfg.batch_size,
            self.seed,
            epoch,
            views=views,
            paired=self.cfg.paired,
            near=near,
            hard=hard,
        ).batches

    def _picture(self, view: int, place: int) -> NDArray[np.uint8]:
        rows = self.data.rows[place][view]
        if self.seed is None:
            return self.data.pictures[rows[0]]
        row = chosen_picture(rows, self.seed, self.epoch, view, place)
        shown = Shown(self.seed, self.epoch, view, place, self.data.overhead[view])
        return augment(self.data.pictures[row], self.cfg.augment, shown)


class Trained(nn.Module):
    """All that training changes: the network, what losses learn, and features of the last epoch.

    Args:
        embedding: The network.
        loss: The losses.
        memory: Shape (views, places, dimensions) of the features that are remembered.
    """

    def __init__(
        self, embedding: EmbeddingNetwork, loss: RetrievalLoss, memory: tuple[int, int, int]
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.loss = loss
        self.memory: Tensor
        self.register_buffer("memory", torch.zeros(memory))


class RetrievalLearner(Learner):
    """Trains a retrieval network.

    Args:
        trained: The network with its losses.
        cfg: The training's section.
    """

    sample_axis = 1

    def __init__(self, trained: Trained, cfg: RetrievalTrain) -> None:
        super().__init__(
            LoopConfig(
                epochs=cfg.epochs,
                batch_size=cfg.batch_size,
                optimizer=cfg.optimizer,
                scheduler=cfg.scheduler,
                monitor=cfg.monitor,
                early_stopping=cfg.early_stopping,
                max_seconds=cfg.max_seconds,
                ema=cfg.ema,
                precision=cfg.precision,
            )
        )
        self.trained = trained
        self.encoder_rate = cfg.encoder_rate
        self._sums: dict[str, list[Tensor]] = {}
        self._validated: list[Tensor] = []

    def network(self) -> nn.Module:
        """Return all that is trained."""
        return self.trained

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return encoders at a rate of their own, the rest, and scalars without decay."""
        encoders = {
            id(parameter)
            for encoder in self.trained.embedding.encoders()
            for parameter in encoder.parameters()
        }
        groups: dict[str, list[nn.Parameter]] = {"encoder": [], "rest": [], "scalar": []}
        for parameter in self.trained.parameters():
            kind = "scalar" if parameter.ndim == 0 else "rest"
            groups["encoder" if id(parameter) in encoders else kind].append(parameter)
        rate = self.cfg.optimizer.learning_rate
        made: list[dict[str, Any]] = [
            {"params": groups["rest"]},
            {"params": groups["encoder"], "lr": rate * self.encoder_rate},
            {"params": groups["scalar"], "weight_decay": 0.0},
        ]
        return [group for group in made if group["params"]]

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch, and remember its features."""
        pictures, places = batch
        # Each picture is compared with all others of the batch, whoever holds them.
        own = self.in_parts(self.trained.embedding.views, pictures)
        features = gathered(self.group, own, axis=1)
        places = gathered(self.group, places, axis=1)
        terms = self.trained.loss(features, places)
        total = self.trained.loss.total(terms)
        if self.trained.memory.shape[1]:
            unit = functional.normalize(features.detach().float(), dim=-1)
            for view, shown in enumerate(places):
                self.trained.memory[view, shown] = unit[view]
        for name, value in {"train_loss": total, **_named(terms)}.items():
            self._sums.setdefault(name, []).append(value.detach())
        return total

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Keep the features of a batch."""
        judged = self.judged()
        assert isinstance(judged, Trained)
        features = gathered(self.group, judged.embedding.views(batch[0]), axis=1)
        self._validated.append(functional.normalize(features.float(), dim=-1))

    def epoch_scores(self) -> dict[str, float]:
        """Return losses, and the share of validation places that are found first, both ways."""
        scores = {name: float(torch.stack(values).mean()) for name, values in self._sums.items()}
        scores.setdefault("train_loss", float("nan"))
        scores["epoch"] = self.current_epoch + 1.0
        scores["validation_loss"] = scores["validation_recall"] = float("nan")
        if self._validated:
            one, other = torch.cat(self._validated, dim=1)
            scores["validation_loss"] = float(contrast(one, other, _SHARPNESS))
            scores["validation_recall"] = recall(one, other)
        self._sums, self._validated = {}, []
        return scores


def recall(one: Tensor, other: Tensor) -> float:
    """Return the share of rows whose counterpart is nearest, mean of both directions."""
    scores = one @ other.T
    own = torch.arange(len(scores), device=scores.device)
    ways = [(way.argmax(dim=1) == own).double().mean() for way in (scores, scores.T)]
    return float(ways[0] + ways[1]) / 2


def _named(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"loss/{name}": value for name, value in terms.items()}
