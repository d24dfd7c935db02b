"""Conditional flow matching: from noise to view along straight paths, with guidance.

On the path x(t) = (1 - t) noise + t photo the network predicts the photo; the velocity is what
leads there in the time that is left. Predicted so, the last step ends in what the network takes for
a photo: little noise is left however few the steps (Lipman et al. 2023; Liu et al. 2023; Li and He
2025 on what to predict).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.groundview_experiments import Flow
from nadir.groundview.blocks import CropEmbedder, StyledUNet
from nadir.groundview.conditional_gan import with_layers
from nadir.groundview.conditions import Condition, Frame, layer_channels
from nadir.groundview.networks import ViewNetwork

_STYLE = 96
_WAVES = 16  # frequencies that tell the time
_LATEST = 0.05  # least time that is left, where it divides


class FlowNetwork(ViewNetwork):
    """The flow's U-Net. A latent is the noise where the path begins.

    Args:
        cfg: The generator's section.
        frame: Sizes of views and crops.
    """

    def __init__(self, cfg: Flow, frame: Frame) -> None:
        super().__init__()
        self.cfg, self.side = cfg, frame.image_px
        self.latent_size = 3 * frame.image_px**2
        self.embed = CropEmbedder(cfg.embedding)
        self.style = nn.Sequential(
            nn.Linear(cfg.embedding + 1 + 2 * _WAVES, _STYLE), nn.SiLU(), nn.Linear(_STYLE, _STYLE),
            nn.SiLU(),
        )  # fmt: skip
        pixels = 3 * cfg.patch**2
        self.unet = StyledUNet(pixels + layer_channels(cfg), pixels, cfg.widths, _STYLE)

    def forward(self, mixed: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """Return the photo that a mix is taken to hold.

        Args:
            mixed: (n, 3, px, px) between noise and photo.
            times: (n,) from 0 (noise) to 1 (photo).
            condition: The places.
        """
        told = torch.cat([self.embed(condition.crops), condition.known, waves(times)], dim=1)
        maps = with_layers(functional.pixel_unshuffle(mixed, self.cfg.patch), condition)
        return functional.pixel_shuffle(self.unet(maps, self.style(told)), self.cfg.patch)

    def views(self, condition: Condition, latents: Tensor) -> Tensor:
        """Return views; see `ViewNetwork`."""
        mixed = latents.unflatten(1, (3, self.side, self.side))
        length = 1.0 / self.cfg.steps
        for step in range(self.cfg.steps):
            time = step * length
            first = self._velocity(mixed, time, condition)
            if self.cfg.solver == "heun" and step < self.cfg.steps - 1:
                second = self._velocity(mixed + length * first, time + length, condition)
                first = 0.5 * (first + second)
            mixed = mixed + length * first
        return mixed

    def _velocity(self, mixed: Tensor, time: float, condition: Condition) -> Tensor:
        """Return the velocity, with guidance."""
        times = torch.full((len(mixed),), time, device=mixed.device, dtype=mixed.dtype)
        photo = self(mixed, times, condition)
        strength = self.cfg.guidance
        if strength != 1:
            free = self(mixed, times, without(condition))
            photo = free + strength * (photo - free)
        return (photo - mixed) / max(1 - time, _LATEST)


def flow_loss(network: FlowNetwork, photos: Tensor, condition: Condition) -> Tensor:
    """Return the loss of a batch at random times, some of its places shown without condition.

    Times are drawn from a logit-normal distribution that prefers much noise (Esser et al. 2024),
    and errors are weighed as those of velocities, up to a limit.
    """
    dropped = torch.rand(len(photos), device=photos.device) < network.cfg.drop
    times = torch.sigmoid(torch.randn(len(photos), device=photos.device) - 0.5)
    at = times[:, None, None, None]
    mixed = torch.lerp(torch.randn_like(photos), photos, at)
    error = (network(mixed, times, without(condition, dropped)) - photos).square().mean((1, 2, 3))
    return (error / (1 - times).clamp_min(0.25).square()).mean()


def without(condition: Condition, dropped: Tensor | None = None) -> Condition:
    """Return a condition that says nothing: of the places of a mask (n,), or of all."""
    if dropped is None:
        dropped = torch.ones(len(condition), dtype=torch.bool, device=condition.crops.device)
    wide = dropped[:, None, None, None]
    return Condition(
        condition.crops.masked_fill(wide, 0.0),
        condition.layers.masked_fill(wide, -1.0),
        condition.known.masked_fill(dropped[:, None], 0.0),
    )


def waves(times: Tensor) -> Tensor:
    """Return sines and cosines of times, (n, 2 * _WAVES)."""
    rates = torch.exp(torch.linspace(0, math.log(100.0), _WAVES, device=times.device))
    angles = times.float()[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
