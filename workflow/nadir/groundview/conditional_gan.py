"""The conditional GAN: a styled U-Net over projection and noise, and a projection discriminator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from nadir.config.groundview_experiments import ConditionalGan
from nadir.groundview.blocks import CropEmbedder
from nadir.groundview.conditions import Condition, Frame, layer_count
from nadir.groundview.networks import ViewNetwork
from nadir.groundview.painting import Painter

_STYLE = 96
_SLOPE = 0.2
_SMALLEST = 4  # side of the discriminator's last maps


class ConditionalGenerator(ViewNetwork):
    """Generator whose style is made of embedded crop, noise, and whether the heading is known.

    A latent is the noise of the style, and then a noise of the U-Net's input, a number a pixel.

    Args:
        cfg: The generator's section.
        frame: Sizes of views and crops.
    """

    def __init__(self, cfg: ConditionalGan, frame: Frame) -> None:
        super().__init__()
        self.styled, self.side = cfg.latent, frame.image_px // cfg.patch
        self.latent_size = cfg.latent + self.side**2
        self.embed = CropEmbedder(cfg.embedding)
        self.style = nn.Sequential(
            nn.Linear(cfg.embedding + 1 + cfg.latent, _STYLE),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(_STYLE, _STYLE),
            nn.LeakyReLU(_SLOPE),
        )
        self.paint = Painter(layer_count(cfg), 1, cfg.patch, cfg.widths, _STYLE)

    def views(self, condition: Condition, latents: Tensor) -> Tensor:
        """Return views; see `ViewNetwork`."""
        noise, field = latents[:, : self.styled], latents[:, self.styled :]
        told = torch.cat([self.embed(condition.crops), condition.known, noise], dim=1)
        maps = field.unflatten(1, (1, self.side, self.side))
        return self.paint(condition.layers, maps, self.style(told))


class ProjectionDiscriminator(nn.Module):
    """Tells how real a picture seems, and how well it fits its crop (Miyato and Koyama 2018).

    Args:
        cfg: The generator's section, which has the discriminator's width.
        image_px: Side of the pictures.
    """

    def __init__(self, cfg: ConditionalGan, image_px: int) -> None:
        super().__init__()
        stages = max(1, round(math.log2(image_px / _SMALLEST)))
        width = cfg.discriminator_width
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
        before = width
        for stage in range(1, stages):
            channels = width << min(stage, 3)
            layers += [nn.Conv2d(before, channels, 4, 2, 1), nn.LeakyReLU(_SLOPE)]
            before = channels
        self.maps = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(_SMALLEST))
        self.last = nn.Sequential(
            nn.Conv2d(before + 1, before, 3, padding=1), nn.LeakyReLU(_SLOPE), nn.Flatten()
        )
        seen = before * _SMALLEST**2
        self.features = nn.Sequential(nn.Linear(seen, 2 * _STYLE), nn.LeakyReLU(_SLOPE))
        self.realness = nn.Linear(2 * _STYLE, 1)
        self.embed = CropEmbedder(2 * _STYLE)

    def forward(self, pictures: Tensor, condition: Condition) -> Tensor:
        """Return logits (n,)."""
        maps = self.maps(pictures)
        features = self.features(self.last(torch.cat([maps, deviation(maps)], dim=1)))
        fits = (features * self.embed(condition.crops)).sum(1) / math.sqrt(features.shape[1])
        return self.realness(features)[:, 0] + fits


def deviation(maps: Tensor) -> Tensor:
    """Return how much a batch varies, as one more channel (Karras et al. 2018): (n, 1, h, w)."""
    spread = (maps.float().var(0, correction=0) + 1e-8).sqrt().mean()
    return spread.to(maps.dtype).expand(maps.shape[0], 1, *maps.shape[2:])
