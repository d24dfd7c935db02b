"""Several dates through one encoder, weighed by attention: any of them may be cloudy or missing."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

HEADS = 4
"""Attention heads; each weighs its own part of the features."""

_KEY = 8  # length of a head's keys
_PROBE = 64  # least side of the input by which the strides of an encoder are found
_UNSEEN = 1e-6  # stands for a share of 0, whose logarithm is not finite


class DatesEncoder(nn.Module):
    """An encoder of one date, and attention over the dates at each pixel and scale.

    U-TAE (Garnot and Landrieu 2021): each date passes the same encoder; at the coarsest scale
    lightweight temporal attention, with one learnt query a head, says how much each date counts;
    these weights, brought to every finer scale, give the mean of that scale's features. Unlike
    there, a date's place in the sequence is learnt, and a date counts in proportion to the share of
    valid pixels in a cell, so that clouds and missing dates drop out. A pixel is invalid on a date
    where all its bands are exactly 0, as normalization leaves it.

    Args:
        encoder: (n, bands, H, W) -> features at strides 1, 2, 4, ..., as encoders of
            segmentation-models-pytorch give them.
        dates: Number of dates.
        bands: Bands a date.
        multiple: What height and width must be multiples of for the encoder.
    """

    def __init__(self, encoder: nn.Module, dates: int, bands: int, multiple: int = 1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dates, self.bands = dates, bands
        of_encoder: Any = encoder
        self.out_channels = [dates * bands, *of_encoder.out_channels[1:]]
        self.output_stride = of_encoder.output_stride
        self.strides = _strides(encoder, bands, -(-_PROBE // multiple) * multiple)
        channels = self.out_channels[-1]
        self.place = nn.Parameter(torch.randn(dates, channels) * 0.02)
        self.keys = nn.Conv2d(channels, HEADS * _KEY, 1)
        self.query = nn.Parameter(torch.randn(HEADS, _KEY) / math.sqrt(_KEY))

    def forward(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Return features (B, C, H / stride, W / stride) of (B, dates * bands, H, W), by scale."""
        height, width = values.shape[-2:]
        single = values.reshape(-1, self.bands, height, width)
        features = self.encoder(single)[1:]
        valid = (single != 0).any(dim=1, keepdim=True).to(values.dtype)
        coarsest = features[-1].unflatten(0, (-1, self.dates))
        placed = coarsest + self.place.to(coarsest.dtype)[:, :, None, None]
        keys = self.keys(placed.flatten(0, 1)).unflatten(1, (HEADS, _KEY))
        votes = (keys * self.query[:, :, None, None]).sum(dim=2) / math.sqrt(_KEY)
        return [
            values,
            *(
                self._mean(feature, votes, valid, stride)
                for feature, stride in zip(features, self.strides, strict=True)
            ),
        ]

    def _mean(
        self, feature: torch.Tensor, votes: torch.Tensor, valid: torch.Tensor, stride: int
    ) -> torch.Tensor:
        """Return the weighted mean over dates of one scale.

        Args:
            feature: (B * dates, C, h, w).
            votes: (B * dates, heads, coarsest h, coarsest w).
            valid: (B * dates, 1, H, W).
            stride: The scale's.
        """
        ratio = self.strides[-1] // stride
        if ratio > 1:
            votes = functional.interpolate(
                votes, scale_factor=ratio, mode="bilinear", align_corners=False
            )
        seen = functional.avg_pool2d(valid, stride)
        votes = votes.float() + seen.float().clamp_min(_UNSEEN).log()
        weights = votes.unflatten(0, (-1, self.dates)).softmax(dim=1).to(feature.dtype)
        channels = feature.shape[1]
        groups = math.gcd(channels, HEADS) if channels else 1
        weights = weights.unflatten(2, (groups, HEADS // groups)).mean(dim=3)
        parts = feature.unflatten(0, (-1, self.dates)).unflatten(2, (groups, channels // groups))
        return (parts * weights.unsqueeze(3)).sum(dim=1).flatten(1, 2)


def _strides(encoder: nn.Module, bands: int, side: int) -> list[int]:
    """Return the strides of an encoder's features, found with an image of a side."""
    training = encoder.training
    with torch.no_grad():
        features = encoder.eval()(torch.zeros(1, bands, side, side))
    encoder.train(training)
    return [side // feature.shape[-1] for feature in features[1:]]


def attend_dates(network: nn.Module, dates: int, bands: int, multiple: int) -> nn.Module:
    """Return a network with an `encoder` of one date, changed to take several.

    Args:
        network: (B, bands, H, W) -> logits.
        dates: Number of dates; for 1 nothing is changed.
        bands: Bands a date.
        multiple: What height and width must be multiples of for the encoder.
    """
    if dates > 1:
        of_one: Any = network
        of_one.encoder = DatesEncoder(of_one.encoder, dates, bands, multiple)
    return network
