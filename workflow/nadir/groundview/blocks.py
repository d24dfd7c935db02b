"""Parts of nadir's generators: embedded crops, and a U-Net that a style modulates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

_GROUP = 8  # channels that are normalized together
_SLOPE = 0.2


def group_norm(channels: int, *, affine: bool = True) -> nn.GroupNorm:
    """Return a normalization of groups of some 8 channels."""
    return nn.GroupNorm(math.gcd(channels, max(1, channels // _GROUP)), channels, affine=affine)


class CropEmbedder(nn.Module):
    """A crop as a vector: strided convolutions, and the mean over the ground.

    Args:
        dimensions: Length of the vector.
        width: Channels of the first layer.
    """

    def __init__(self, dimensions: int, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for channels in (width, 2 * width, 3 * width):
            layers += [
                nn.Conv2d(before, channels, 3, stride=2, padding=1),
                group_norm(channels),
                nn.LeakyReLU(_SLOPE),
            ]
            before = channels
        self.maps = nn.Sequential(*layers)
        self.head = nn.Linear(2 * before, dimensions)

    def forward(self, crops: Tensor) -> Tensor:
        """Return vectors (n, dimensions) of crops (n, 3, c, c)."""
        maps = self.maps(crops)
        ahead = maps[:, :, : maps.shape[2] // 2]  # the upper half: before the observer
        return self.head(torch.cat([maps.mean((2, 3)), ahead.mean((2, 3))], dim=1))


class StyledBlock(nn.Module):
    """A residual block of two convolutions, normalized and then scaled and shifted by a style.

    Adaptive group normalization as in Dhariwal and Nichol 2021.

    Args:
        before: Channels that come in.
        channels: Channels that go out.
        style: Length of the style.
    """

    def __init__(self, before: int, channels: int, style: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            group_norm(before), nn.SiLU(), nn.Conv2d(before, channels, 3, padding=1)
        )
        self.norm = group_norm(channels, affine=False)
        self.style = nn.Linear(style, 2 * channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.skip = nn.Conv2d(before, channels, 1) if before != channels else nn.Identity()
        nn.init.zeros_(self.second.weight)  # a new block changes nothing
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return maps (n, channels, h, w)."""
        scale, shift = self.style(style)[:, :, None, None].chunk(2, dim=1)
        inner = self.norm(self.first(maps)) * (1 + scale) + shift
        return self.skip(maps) + self.second(functional.silu(inner))


class SkipExcitation(nn.Module):
    """Coarse maps gate the channels of fine ones (Liu et al. 2021)."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(coarse, fine, 1),
            nn.SiLU(),
            nn.Conv2d(fine, fine, 1),
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        """Return the fine maps, their channels weighed."""
        return fine * 2 * torch.sigmoid(self.gate(coarse))


class StyledUNet(nn.Module):
    """A U-Net whose blocks a style modulates.

    It is told where a pixel lies: rows and columns from -1 to 1 join its input.

    Args:
        before: Channels that come in.
        after: Channels that go out.
        widths: Channels at each resolution, from the finest.
        style: Length of the style.
    """

    def __init__(self, before: int, after: int, widths: Sequence[int], style: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(before + 2, widths[0], 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels = widths[0]
        for width in widths:
            self.down.append(StyledBlock(channels, width, style))
            channels = width
        self.middle = StyledBlock(channels, channels, style)
        for width in reversed(widths):
            self.up.append(StyledBlock(channels + width, width, style))
            channels = width
        self.excite = SkipExcitation(widths[-1], widths[0])
        self.leave = nn.Sequential(
            group_norm(widths[0]), nn.SiLU(), nn.Conv2d(widths[0], after, 3, padding=1)
        )

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return maps (n, after, h, w) of maps (n, before, h, w) and styles (n, style)."""
        maps = self.enter(torch.cat([maps, coordinates(maps)], dim=1))
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            if level:
                maps = functional.avg_pool2d(maps, 2, ceil_mode=True)
            maps = block(maps, style)
            kept.append(maps)
        maps = self.middle(maps, style)
        coarse = maps
        for block in self.up:
            fine = kept.pop()
            if maps.shape[-2:] != fine.shape[-2:]:
                maps = functional.interpolate(maps, size=fine.shape[-2:], mode="nearest")
            maps = block(torch.cat([maps, fine], dim=1), style)
        return self.leave(self.excite(coarse, maps))


def coordinates(maps: Tensor) -> Tensor:
    """Return rows and columns of maps' pixels from -1 to 1: (n, 2, h, w)."""
    height, width = maps.shape[-2:]
    rows = torch.linspace(-1, 1, height, device=maps.device, dtype=maps.dtype)
    columns = torch.linspace(-1, 1, width, device=maps.device, dtype=maps.dtype)
    both = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return both.expand(maps.shape[0], -1, -1, -1)
