"""How maps become a vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_LEAST = 1e-4  # below it a power of a mean has no gradient to speak of


class Pool(nn.Module):
    """Mean, maximum or both, over the whole map.

    Args:
        kind: `avg`, `max` or `avg+max`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.parts = kind.split("+")

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, C), or (B, 2 C) for both, of maps (B, C, rows, columns)."""
        found = [maps.mean((2, 3)) if part == "avg" else maps.amax((2, 3)) for part in self.parts]
        return torch.cat(found, dim=1)


class GeneralizedMean(nn.Module):
    """The generalized mean with a learned exponent (Radenovic et al. 2019), of each of some rings.

    The rings are squares around the middle, each as wide as the others (Wang et al. 2021, LPN):
    what surrounds a building tells it apart, and rings stay what they are under quarter turns.

    Args:
        rings: Number of rings; 1 for the whole map.
    """

    def __init__(self, rings: int = 1) -> None:
        super().__init__()
        self.rings = rings
        self.exponent = nn.Parameter(torch.tensor(3.0))

    def forward(self, maps: Tensor) -> Tensor:
        """Return (B, rings * C) of maps (B, C, rows, columns)."""
        powers = maps.clamp_min(_LEAST).pow(self.exponent)
        if self.rings == 1:
            return powers.mean((2, 3)).pow(1 / self.exponent)
        weights = ring_weights(maps.shape[2], maps.shape[3], self.rings).to(maps)
        means = powers.flatten(2) @ weights.flatten(1).T
        return means.clamp_min(_LEAST).pow(1 / self.exponent).flatten(1)


def ring_weights(rows: int, columns: int, rings: int) -> Tensor:
    """Return the share of each cell in the mean of each ring, float32 (rings, rows, columns).

    A ring without cells (maps with fewer cells than rings) is the whole map.
    """
    y = ((torch.arange(rows) + 0.5) / rows - 0.5).abs() * 2
    x = ((torch.arange(columns) + 0.5) / columns - 0.5).abs() * 2
    ring = (torch.maximum(y[:, None], x[None]) * rings).long().clamp_max(rings - 1)
    inside = (ring[None] == torch.arange(rings)[:, None, None]).float()
    empty = inside.sum((1, 2)) == 0
    inside[empty] = 1.0
    return inside / inside.sum((1, 2), keepdim=True)


class ColorDeciles(nn.Module):
    """The nine deciles of each channel of a picture; nothing is learned here.

    Every third row and column tell them well enough, and sorting is what they cost.
    """

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (B, 27) of pictures (B, 3, rows, columns)."""
        values = pictures.detach()[..., ::3, ::3].float().flatten(2).sort(dim=2).values
        steps = torch.arange(1, 10, device=values.device) * values.shape[2] // 10
        return values[:, :, steps].flatten(1)
