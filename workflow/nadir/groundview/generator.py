"""A trained generator, ready to be asked what an observer would see."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from nadir.config.groundview_experiments import GeneratorConfig
from nadir.errors import InputError
from nadir.groundview.conditions import Condition, Frame, conditions, pictures_of
from nadir.groundview.fitting import load_network
from nadir.groundview.latents import draw_latents
from nadir.groundview.networks import ViewNetwork

_BATCH = 32
"""Views that are made at a time."""


@dataclass(frozen=True)
class Generator:
    """A trained generator; made by `load_generator`.

    Attributes:
        network: The network in evaluation mode, on its device.
        cfg: Its section.
        frame: Sizes of views and crops.
        device: Where it computes.
    """

    network: ViewNetwork
    cfg: GeneratorConfig
    frame: Frame
    device: torch.device

    @property
    def image_px(self) -> int:
        """Side of a view in pixels."""
        return self.frame.image_px

    @property
    def crop_px(self) -> int:
        """Side of a crop in pixels, as given."""
        return self.frame.crop_px

    @property
    def crop_m(self) -> float:
        """Side of a crop on the ground in metres."""
        return self.frame.crop_m

    def generate(
        self,
        crops: NDArray[np.uint8],
        headings: ArrayLike,
        samples: int = 1,
        seed: int = 0,
        *,
        temperature: float = 1.0,
    ) -> NDArray[np.uint8]:
        """Return views of places.

        Args:
            crops: uint8 (n, 3, c, c), north up, the observer in the middle.
            headings: Directions of view (n,), degrees clockwise from north; NaN where unknown.
            samples: Views of each place.
            seed: Seed of the noise, which is a function of it, of a place's number and the
                sample's.
            temperature: Standard deviation of the noise.

        Returns:
            uint8 (n, samples, 3, image_px, image_px).

        Raises:
            InputError: When crops have another size than those of the training.
        """
        made = [
            self.of_latents(
                crops[start : start + _BATCH],
                np.asarray(headings, np.float32)[start : start + _BATCH],
                self.latent(range(start, min(start + _BATCH, len(crops))), range(samples), seed)
                * np.float32(temperature),
            )
            for start in range(0, len(crops), _BATCH)
        ]
        empty = np.empty((0, samples, 3, self.image_px, self.image_px), np.uint8)
        return np.concatenate(made or [empty])

    def latent(
        self, places: Sequence[int], samples: Sequence[int], seed: int = 0
    ) -> NDArray[np.float32]:
        """Return the latents that `generate` uses: float32 (places, samples, size).

        Args:
            places: Numbers of places.
            samples: Numbers of samples.
            seed: The seed.
        """
        drawn = draw_latents(seed, places, samples, self.network.latent_size)
        drawn *= np.float32(self.network.spread)
        if self.network.first_is_plain:
            drawn[:, [number for number, sample in enumerate(samples) if sample == 0]] = 0
        return drawn

    def of_latents(
        self, crops: NDArray[np.uint8], headings: ArrayLike, latents: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """Return views of places for given latents (n, samples, size), as `generate` does."""
        n, samples, size = latents.shape
        wide = self.condition(crops, headings).repeated(samples)
        flat = torch.from_numpy(np.ascontiguousarray(latents.reshape(n * samples, size)))
        made = [
            self.paint(wide[start : start + _BATCH], flat[start : start + _BATCH])
            for start in range(0, n * samples, _BATCH)
        ]
        shape = (n, samples, 3, self.image_px, self.image_px)
        return np.concatenate(made).reshape(shape) if made else np.empty(shape, np.uint8)

    def condition(self, crops: NDArray[np.uint8], headings: ArrayLike) -> Condition:
        """Return what the network is told of places; see `generate`.

        Raises:
            InputError: When crops have another size than those of the training.
        """
        if crops.ndim != 4 or crops.shape[1:] != (3, self.crop_px, self.crop_px):
            problem = (
                f"crops of the shape {crops.shape} where the model knows {self.crop_px} pixels"
            )
            raise InputError("crops", problem, "Cut crops as those of the training.")
        given = np.asarray(headings, np.float32).reshape(len(crops))
        return conditions(crops, given, self.cfg, self.frame)

    @torch.inference_mode()
    def paint(self, condition: Condition, latents: torch.Tensor) -> NDArray[np.uint8]:
        """Return one view for each of n places and latents (n, size), in one call of the network.

        Returns:
            uint8 (n, 3, image_px, image_px).
        """
        return pictures_of(self.network.views(condition.to(self.device), latents.to(self.device)))


def load_generator(folder: str | os.PathLike[str], device: torch.device | str = "cpu") -> Generator:
    """Read the bundle of a generator.

    Args:
        folder: The bundle's folder.
        device: Where to compute.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    network, cfg, frame = load_network(folder)
    device = torch.device(device)
    return Generator(network.to(device), cfg, frame, device)
