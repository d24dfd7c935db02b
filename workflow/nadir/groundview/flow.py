"""Conditional flow matching: from an expected view with noise to a view along straight paths.

A first U-Net predicts what is to be expected of a place; a second one says what the photo adds to
it, as residual diffusion has it (Mardani et al. 2025). On the path x(t) = (1 - t) start + t photo,
whose start is the expected view with noise, the second network predicts the photo, and the velocity
is what leads there in the time that is left (Lipman et al. 2023; Liu et al. 2023). Predicted so,
the last step ends in what the network takes for a photo: little noise is left however few the
steps. Expected views are means, and differ less from place to place than photos do: guidance (Ho
and Salimans 2022) goes on from the view of no place in particular through that of the place.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.groundview_experiments import Flow
from nadir.groundview.blocks import CropEmbedder, StyledUNet
from nadir.groundview.conditions import Condition, Frame, layer_count
from nadir.groundview.image_losses import LOSSES
from nadir.groundview.networks import ViewNetwork
from nadir.groundview.painting import Painter
from nadir.groundview.projection import CHANNELS

_STYLE = 96
_WAVES = 16  # frequencies that tell the time
_LATEST = 0.05  # least time that is left, where it divides


class FlowNetwork(ViewNetwork):
    """Both U-Nets. A latent is the noise where a path begins.

    Args:
        cfg: The generator's section.
        frame: Sizes of views and crops.
    """

    def __init__(self, cfg: Flow, frame: Frame) -> None:
        super().__init__()
        self.cfg, self.side = cfg, frame.image_px
        self.latent_size = 3 * frame.image_px**2
        told, pixels, layers = cfg.embedding + 1, 3 * cfg.patch**2, layer_count(cfg)
        self.embed = nn.ModuleList(CropEmbedder(cfg.embedding) for _ in range(2))
        self.style = nn.ModuleList(style(told + extra) for extra in (0, 2 * _WAVES))
        self.expect = Painter(layers, 0, cfg.patch, cfg.widths, _STYLE)
        self.refine = StyledUNet(2 * pixels + layers * CHANNELS, pixels, cfg.widths, _STYLE)

    def expected(self, condition: Condition) -> Tensor:
        """Return the expected views of places, (n, 3, px, px)."""
        told = torch.cat([self.embed[0](condition.crops), condition.known], dim=1)
        side = self.side // self.cfg.patch
        nothing = condition.crops.new_zeros(condition.crops.shape[0], 0, side, side)
        return self.expect(condition.layers, nothing, self.style[0](told))

    def forward(
        self, mixed: Tensor, times: Tensor, condition: Condition, expected: Tensor
    ) -> Tensor:
        """Return the photo that a mix is taken to hold.

        Args:
            mixed: (n, 3, px, px) on the path.
            times: (n,) from 0 (start) to 1 (photo).
            condition: The places.
            expected: Their expected views.
        """
        told = [self.embed[1](condition.crops), condition.known, waves(times)]
        maps = [functional.pixel_unshuffle(part, self.cfg.patch) for part in (mixed, expected)]
        if condition.layers.shape[1]:
            maps.append(condition.layers)
        change = self.refine(torch.cat(maps, dim=1), self.style[1](torch.cat(told, dim=1)))
        return expected + functional.pixel_shuffle(change, self.cfg.patch)

    def views(self, condition: Condition, latents: Tensor) -> Tensor:
        """Return views; see `ViewNetwork`."""
        expected = self.expected(condition)
        mixed = expected + self.cfg.noise * latents.unflatten(1, (3, self.side, self.side))

        def velocity(at: Tensor, time: float) -> Tensor:
            times = torch.full((at.shape[0],), time, device=at.device, dtype=at.dtype)
            return (self(at, times, condition, expected) - at) / max(1 - time, _LATEST)

        length = 1.0 / self.cfg.steps
        for step in range(self.cfg.steps):
            time = step * length
            first = velocity(mixed, time)
            if self.cfg.solver == "heun" and step < self.cfg.steps - 1:
                first = 0.5 * (first + velocity(mixed + length * first, time + length))
            mixed = mixed + length * first
        if self.cfg.guidance == 1:
            return mixed
        own = (self.cfg.guidance - 1) * (expected - self.expected(without(condition)))
        return mixed + limited(own, 2 * self.cfg.guidance_limit)  # views are from -1 to 1


def limited(change: Tensor, most: float) -> Tensor:
    """Return changes of views (n, 3, px, px), scaled where their root mean square is too large."""
    size = change.square().mean((1, 2, 3), keepdim=True).sqrt()
    return change * (most / size.clamp_min(1e-6)).clamp(max=1)


def flow_losses(network: FlowNetwork, photos: Tensor, condition: Condition) -> dict[str, Tensor]:
    """Return the losses of both networks at random times, some places without condition.

    The first network learns by the distance of its views alone. Times are drawn from a logit-normal
    distribution (Esser et al. 2024), and the second network's errors are weighed as those of
    velocities, up to a limit.
    """
    cfg, n = network.cfg, len(photos)
    told = without(condition, torch.rand(n, device=photos.device) < cfg.drop)
    expected = network.expected(told)
    distance = LOSSES[cfg.distance]((expected.float() + 1) / 2, (photos + 1) / 2)
    begin = expected.detach().float()
    times = torch.sigmoid(torch.randn(n, device=photos.device) - 0.5)
    start = begin + cfg.noise * torch.randn_like(photos)
    mixed = torch.lerp(start, photos, times[:, None, None, None])
    error = (network(mixed, times, told, begin) - photos).square().mean((1, 2, 3))
    weights = (1 - times).clamp_min(0.25).square()
    return {"expected": distance.mean(), "flow": (error / weights).mean()}


def style(before: int) -> nn.Sequential:
    """Return layers from what is told to a style."""
    return nn.Sequential(nn.Linear(before, _STYLE), nn.SiLU(), nn.Linear(_STYLE, _STYLE), nn.SiLU())


def without(condition: Condition, dropped: Tensor | None = None) -> Condition:
    """Return a condition that says nothing: of the places of a mask (n,), or of all."""
    if dropped is None:
        dropped = torch.ones(
            condition.crops.shape[0], dtype=torch.bool, device=condition.crops.device
        )
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
