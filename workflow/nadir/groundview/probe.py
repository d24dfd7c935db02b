"""What a generator makes of the same places and noise after each epoch: film, scores, collapse."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.groundview_experiments import ViewTrain
from nadir.groundview.batches import Places
from nadir.groundview.conditions import Condition, pictures_of, signed
from nadir.groundview.frames import FrameKeeper, grid
from nadir.groundview.image_losses import custom
from nadir.groundview.latents import draw_latents

log = logging.getLogger(__name__)

Make = Callable[[nn.Module, Condition, Tensor], Tensor]
"""(what is trained, places, latents) -> views, values -1..1."""

COLLAPSE_REMEDY = (
    "Raise train.adversary.r1, lower train.adversary.discriminator_rate or the learning rate, "
    "give train.adversary.augment all its names, or train model.name: flow, which has no adversary."
)

_COARSE = 16  # side to which views are averaged before they are compared
_PATIENCE = 5  # epochs before which every generator makes the same of all places


class Probe:
    """Looks at a generator through fixed places and noise.

    Args:
        places: The places that are shown.
        condition: What the generator is told of them.
        make: Makes views.
        latent_size: Numbers of a latent; two latents a place are drawn.
        cfg: The training's section.
        work: Folder of the training's state.
    """

    def __init__(
        self,
        places: Places,
        condition: Condition,
        make: Make,
        latent_size: int,
        cfg: ViewTrain,
        work: Path,
    ) -> None:
        self.condition, self.make, self.cfg = condition, make, cfg
        self.photos = signed(places.photos)
        self.real = diversity(self.photos)
        drawn = draw_latents(cfg.seed, range(len(places)), range(2), latent_size)
        self.latents = torch.from_numpy(drawn)
        self.keeper = FrameKeeper(work / "frames", cfg.frames)
        self.shown: NDArray[np.uint8] = grid(places.photos)

    def look(self, network: nn.Module, epoch: int) -> dict[str, float]:
        """Return scores of a generator, keep a frame, and say when it has collapsed.

        Returns:
            `diversity`: how much views of different places differ, as a share of what photos do;
            `sample_diversity`: the same of two samples of a place; `validation_loss`: distance
            `custom` of views to the photos of their places.
        """
        device = next(network.parameters()).device
        was = network.training
        network.eval()
        with torch.no_grad():
            views, other = (
                self._views(network, self.latents[:, sample], device) for sample in range(2)
            )
        network.train(was)
        self.shown = grid(pictures_of(views))
        self.keeper.add(epoch, self.shown)
        ratio = diversity(views) / self.real
        if epoch >= _PATIENCE and ratio < self.cfg.collapse_below:
            log.warning("epoch %d: %s", epoch, collapse_message(ratio))
        near = functional.adaptive_avg_pool2d(views - other, _COARSE) / 2
        own = float(near.square().mean((1, 2, 3)).sqrt().mean())
        distance = custom((views + 1) / 2, (self.photos + 1) / 2).mean()
        return {
            "diversity": ratio,
            "sample_diversity": own / self.real,
            "validation_loss": float(distance),
        }

    def _views(self, network: nn.Module, latents: Tensor, device: torch.device) -> Tensor:
        views = self.make(network, self.condition.to(device), latents.to(device))
        return views.float().clamp(-1, 1).cpu()


def diversity(pictures: Tensor) -> float:
    """Return how much pictures (n, 3, h, w) of values -1..1 differ from each other.

    The mean over pairs of the root mean square difference of pictures of 16 x 16, of values 0..1.
    """
    coarse = functional.adaptive_avg_pool2d(pictures.float(), _COARSE).flatten(1) / 2
    distances = torch.pdist(coarse) / coarse.shape[1] ** 0.5
    return max(float(distances.mean()), 1e-6) if len(distances) else 1e-6


def collapse_message(ratio: float) -> str:
    """Return what is said of a generator that makes the same of all places."""
    return (
        f"the generator has collapsed: its views of different places differ {ratio:.0%} as much "
        f"as photos do. {COLLAPSE_REMEDY}"
    )


def collapsed(rows: Sequence[dict[str, float]], limit: float) -> bool:
    """Tell from the history of a training whether it ended collapsed."""
    return bool(rows) and rows[-1].get("diversity", 1.0) < limit
