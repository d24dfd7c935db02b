"""What a generator is told of places: embedded crops, projections, and whether headings are known.

Training and serving make it by the same function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nadir.config.groundview_experiments import DcganEncoder, GeneratorConfig, ProjectionConfig
from nadir.groundview.heading import turn_crops
from nadir.groundview.projection import project


@dataclass(frozen=True)
class Frame:
    """How places are shown to a generator.

    Attributes:
        image_px: Side of a view in pixels.
        crop_px: Side of the crops as they are given.
        crop_m: Side of the crops on the ground in metres.
    """

    image_px: int
    crop_px: int
    crop_m: float


@dataclass(frozen=True)
class Condition:
    """What a generator is told of n places.

    Attributes:
        crops: float32 (n, 3, e, e), values -1..1: heading up where that is known and used.
        layers: float32 (n, channels, s, s), values -1..1: the projection; no channels without.
        known: float32 (n, 1): 1 where the heading is known and used.
    """

    crops: Tensor
    layers: Tensor
    known: Tensor

    def __len__(self) -> int:
        return len(self.crops)

    def to(self, device: torch.device) -> Condition:
        """Return it on a device."""
        return Condition(self.crops.to(device), self.layers.to(device), self.known.to(device))

    def repeated(self, times: int) -> Condition:
        """Return each place so many times in a row."""
        parts = (self.crops, self.layers, self.known)
        return Condition(*(part.repeat_interleave(times, 0) for part in parts))

    def __getitem__(self, rows: slice) -> Condition:
        return Condition(self.crops[rows], self.layers[rows], self.known[rows])


def projection_of(cfg: GeneratorConfig) -> ProjectionConfig | None:
    """Return the projection that a generator uses, if any."""
    if isinstance(cfg, DcganEncoder) or not cfg.heading:
        return None
    return cfg.projection


def layer_count(cfg: GeneratorConfig) -> int:
    """Return how many layers, of `CHANNELS` channels each, a generator's projection has."""
    projection = projection_of(cfg)
    return projection.layers if projection is not None else 0


def conditions(
    crops: NDArray[np.uint8],
    headings: NDArray[np.floating],
    cfg: GeneratorConfig,
    frame: Frame,
) -> Condition:
    """Return what a generator is told of places.

    Args:
        crops: uint8 (n, 3, c, c), north up.
        headings: (n,) degrees clockwise from north; NaN where unknown.
        cfg: The generator.
        frame: Sizes of views and crops.
    """
    uses = not isinstance(cfg, DcganEncoder) and cfg.heading
    headings = np.asarray(headings, np.float32)
    if not uses:
        headings = np.full_like(headings, np.nan)
    projection = projection_of(cfg)
    layers = np.zeros((len(crops), 0, 1, 1), np.uint8)
    if projection is not None and not isinstance(cfg, DcganEncoder):
        side = frame.image_px // cfg.patch
        layers = project(crops, headings, frame.crop_m, projection, side)
    known = torch.from_numpy(np.isfinite(headings).astype(np.float32))[:, None]
    embedded = turn_crops(crops, headings, cfg.crop_px)
    return Condition(signed(embedded), signed(layers), known)


def signed(pictures: NDArray[np.uint8]) -> Tensor:
    """Return pictures uint8 as float32 from -1 to 1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).float() / 127.5 - 1


def pictures_of(values: Tensor) -> NDArray[np.uint8]:
    """Return pictures of values from -1 to 1 as uint8."""
    return ((values.float() + 1) * 127.5).round().clamp(0, 255).to("cpu", torch.uint8).numpy()
