"""Training of generators: adversarial, by flow matching, and of an encoder for a frozen generator.

Both networks of a GAN take their steps at once, from one backward pass over one optimizer with a
group of parameters each; so its training is kept and resumed as any other is.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.experiments import OptimizerConfig, TrainConfig
from nadir.config.groundview_experiments import EncoderConfig, ViewTrain
from nadir.errors import InputError
from nadir.groundview.augment import augmented
from nadir.groundview.batches import Batch
from nadir.groundview.conditions import Condition
from nadir.groundview.dcgan import DcganNetwork
from nadir.groundview.flow import FlowNetwork, flow_losses
from nadir.groundview.image_losses import LOSSES
from nadir.groundview.networks import ViewNetwork
from nadir.groundview.probe import Probe
from nadir.learn.keeper import STATE
from nadir.learn.learner import Learner

NAN_REMEDY = (
    "The state after the last sound epoch is kept there. Lower train.optimizer.learning_rate, "
    "raise train.adversary.r1, or set train.precision to 32."
)

_BETA2 = 0.99


class LoopConfig(TrainConfig):
    """What the training loop is told; the last epoch's weights are kept."""

    monitor: Literal["epoch"] = "epoch"  # type: ignore[assignment]


class ViewLearner(Learner):
    """A learner whose epochs end with a look at what the generator makes.

    Args:
        trained: All that training changes.
        cfg: The training's section.
        probe: Looks at it.
        work: Folder of the state, for messages.
        optimizer: The optimizer, by default the section's.
    """

    def __init__(
        self,
        trained: nn.Module,
        cfg: ViewTrain,
        probe: Probe,
        work: Path,
        optimizer: OptimizerConfig | None = None,
    ) -> None:
        super().__init__(
            LoopConfig(
                epochs=math.ceil(cfg.epochs / cfg.passes),
                batch_size=cfg.batch_size,
                optimizer=optimizer or cfg.optimizer,
                scheduler=cfg.scheduler,
                max_seconds=cfg.max_seconds,
                ema=cfg.ema,
                precision=cfg.precision,
            )
        )
        self.trained, self.view_cfg = trained, cfg
        self.probe, self._work = probe, work
        self._sums: dict[str, list[Tensor]] = {}

    def network(self) -> nn.Module:
        """Return all that is trained."""
        return self.trained

    @abstractmethod
    def losses(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the terms of the loss, whose sum is minimized."""

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            InputError: When it is no number any more.
        """
        terms = self.losses(batch, batch_index)
        total = torch.stack([value.float() for value in terms.values()]).sum()
        if not bool(torch.isfinite(total)):
            self._give_up("the loss")
        named = {f"loss/{name}": value for name, value in terms.items()}
        for name, value in {"train_loss": total, **named}.items():
            self._sums.setdefault(name, []).append(value.detach())
        return total

    def epoch_scores(self) -> dict[str, float]:
        """Return the mean losses, and what a look at the generator tells.

        Raises:
            InputError: When what it makes is no picture any more.
        """
        scores = {name: float(torch.stack(values).mean()) for name, values in self._sums.items()}
        scores.setdefault("train_loss", float("nan"))
        scores["epoch"] = self.current_epoch + 1.0
        scores |= self.probe.look(self.judged(), self.current_epoch + 1)
        if not math.isfinite(scores["diversity"]):
            self._give_up("a view")
        self._sums = {}
        return scores

    def pictures(self) -> dict[str, np.ndarray]:
        """Return views of the places that are shown."""
        return {"views": self.probe.shown}

    def _give_up(self, what: str) -> None:
        problem = f"{what} of epoch {self.current_epoch + 1} holds numbers that are none (NaN)"
        raise InputError(self._work / STATE, problem, NAN_REMEDY)


class Adversaries(nn.Module):
    """A generator and its discriminator."""

    def __init__(self, generator: ViewNetwork, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


class AdversarialLearner(ViewLearner):
    """Trains a GAN with the non-saturating loss (Goodfellow et al. 2014).

    Args:
        trained: Generator and discriminator.
        cfg: The training's section.
        probe: Looks at the generator.
        work: Folder of the state.
    """

    def __init__(self, trained: Adversaries, cfg: ViewTrain, probe: Probe, work: Path) -> None:
        super().__init__(trained, cfg, probe, work)
        self.trained: Adversaries = trained

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the generator, and the discriminator at a rate of its own that stays."""
        adversary, rate = self.view_cfg.adversary, self.view_cfg.optimizer.learning_rate
        first, second = self.trained.generator, self.trained.discriminator
        groups: list[dict[str, Any]] = [
            {"params": list(first.parameters())},
            {
                "params": list(second.parameters()),
                "lr": rate * adversary.discriminator_rate,
                "scheduled": False,
            },
        ]
        if self.view_cfg.optimizer.name != "sgd":
            for group in groups:
                group["betas"] = (adversary.beta1, _BETA2)
        return groups

    def losses(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the losses of both networks; neither reaches the other's weights."""
        photos, condition = batch
        cfg, judge = self.view_cfg.adversary, self.trained.discriminator
        views = self.views(condition)
        made = views.detach()
        terms = {
            "photos": functional.softplus(-judge(self._changed(photos), condition)).mean(),
            "views": functional.softplus(judge(self._changed(made), condition)).mean(),
        }
        if cfg.r1 and batch_index % cfg.r1_every == 0:
            penalty = slope_penalty(judge, photos, condition)
            terms["r1"] = 0.5 * cfg.r1 * cfg.r1_every * penalty
        judge.requires_grad_(False)
        terms["generator"] = functional.softplus(-judge(self._changed(views), condition)).mean()
        judge.requires_grad_(True)
        if self.is_conditional and cfg.distance_weight:
            distance = LOSSES[cfg.distance]((views.float() + 1) / 2, (photos + 1) / 2)
            terms["distance"] = cfg.distance_weight * distance.mean()
        return terms

    @property
    def is_conditional(self) -> bool:
        """Whether views are of a place: those of the DCGAN's first stage are of none."""
        return not isinstance(self.trained.generator, DcganNetwork)

    def views(self, condition: Condition) -> Tensor:
        """Return views of random latents."""
        generator = self.trained.generator
        size = (len(condition), generator.latent_size)
        latents = torch.randn(size, device=condition.crops.device)
        return adversarial_views(self.trained, condition, latents)

    def _changed(self, pictures: Tensor) -> Tensor:
        return augmented(pictures, self.view_cfg.adversary.augment)


class FlowLearner(ViewLearner):
    """Trains a flow."""

    def losses(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the losses of the expected view, and of the way from there to the photo."""
        assert isinstance(self.trained, FlowNetwork)
        return flow_losses(self.trained, *batch)


class EncoderLearner(ViewLearner):
    """Trains the encoder of a DCGAN whose generator is frozen.

    Args:
        trained: Generator and encoder.
        cfg: The training's section.
        encoder: The section of the second stage.
        probe: Looks at them.
        work: Folder of the state.
    """

    def __init__(
        self,
        trained: DcganNetwork,
        cfg: ViewTrain,
        encoder: EncoderConfig,
        probe: Probe,
        work: Path,
    ) -> None:
        optimizer = cfg.optimizer.model_copy(update={"learning_rate": encoder.learning_rate})
        super().__init__(trained, cfg, probe, work, optimizer)
        self.trained: DcganNetwork = trained
        self.loss = LOSSES[encoder.loss]
        trained.generator.requires_grad_(False)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the encoder alone."""
        return [{"params": list(self.trained.encoder.parameters())}]

    def losses(self, batch: Batch, batch_index: int) -> dict[str, Tensor]:
        """Return the distance of photos to the views of their crops."""
        photos, condition = batch
        self.trained.generator.eval()  # its running statistics are those of its own training
        views = self.trained.generator(self.trained.encoder(condition.crops))
        return {"distance": self.loss((views.float() + 1) / 2, (photos + 1) / 2).mean()}


def adversarial_views(trained: nn.Module, condition: Condition, latents: Tensor) -> Tensor:
    """Return views while a GAN is trained: the DCGAN's are of latents alone."""
    assert isinstance(trained, Adversaries)
    if isinstance(trained.generator, DcganNetwork):
        return trained.generator.generator(latents)
    return trained.generator.views(condition, latents)


def slope_penalty(judge: nn.Module, photos: Tensor, condition: Condition) -> Tensor:
    """Return R1: the squared slope of the discriminator at photos (Mescheder et al. 2018)."""
    with torch.autocast(photos.device.type, enabled=False):
        inputs = photos.float().requires_grad_(True)
        logits = judge(inputs, condition)
        (slope,) = torch.autograd.grad(logits.sum(), inputs, create_graph=True)
    return slope.square().flatten(1).sum(1).mean()
