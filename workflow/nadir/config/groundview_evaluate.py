"""Ground view: the network by which views are judged, and how generated views are scored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nadir.config.base import ConfigModel
from nadir.config.experiments import OptimizerConfig, SchedulerConfig


class JudgeConfig(ConfigModel):
    """A small network that learns to describe photos, from the training photos of the pairs.

    Where the truth of the photos is known (simulated worlds), it learns which share of a view each
    class has; and it learns to know a photo again after it was cropped, mirrored and recolored.
    """

    size: int = Field(default=64, ge=32, le=256)
    """Side in pixels to which photos are scaled for it."""
    width: int = Field(default=24, ge=8)
    """Channels of its first layer; each of its four stages has twice as many."""
    features: int = Field(default=64, ge=8)
    """Length of the description of a photo."""
    instance: float = Field(default=0.5, ge=0)
    """Weight of knowing photos again, beside the shares of classes; without truth it is all there
    is to learn.
    """
    temperature: float = Field(default=0.2, gt=0)
    """Temperature of the comparison of photos (Chen et al. 2020)."""
    batch_size: int = Field(default=64, ge=2)
    """Photos a step."""
    epochs: int = Field(default=60, ge=1)
    """Passes over the training photos."""
    max_seconds: float | None = Field(default=None, gt=0)
    """End after so many seconds of computing (of all processor cores together on a CPU, of the
    clock with a GPU). The result then depends on the machine; null: never.
    """
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=2e-3, weight_decay=0.05
    )
    """The optimizer."""
    scheduler: SchedulerConfig = SchedulerConfig(name="cosine", warmup=1)
    """The learning-rate schedule."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """`auto`: bf16 mixed precision on a GPU that has it, 32 bits elsewhere."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and changes; combined with the configuration's seed."""


class PairingConfig(ConfigModel):
    """Whether the photo of a place is the nearest, among photos of other places."""

    among: int = Field(default=16, ge=2)
    """Photos among which is chosen, the right one included; 1 / `among` is found by chance."""
    draws: int = Field(default=200, ge=1)
    """How often so many pairs are drawn from the test."""
    most: int = Field(default=200, ge=2)
    """Pairs that are compared each with each; of more, so many are chosen by chance."""
    losses: tuple[str, ...] = ("mse", "ssim", "custom", "coarse", "judge")
    """Distances between a generated and a real view, by name; `judge` is that of the
    descriptions.
    """


class SlicedConfig(ConfigModel):
    """The sliced Wasserstein distance of patches of Laplacian pyramids (Karras et al. 2018)."""

    patches: int = Field(default=64, ge=1)
    """Patches of 7 x 7 pixels of each picture and level."""
    directions: int = Field(default=256, ge=1)
    """Random directions onto which patches are projected."""


class ViewEvaluateConfig(ConfigModel):
    """How generated views are scored."""

    pairing: PairingConfig = PairingConfig()
    """Whether photos of places are found by their generated views."""
    sliced: SlicedConfig = SlicedConfig()
    """The distance of patches."""
    neighbors: int = Field(default=5, ge=1)
    """Neighbors that span the region of a picture in precision, recall, density and coverage."""
    resamples: int = Field(default=1000, ge=0)
    """Resamples of places for the 95 % intervals; 0 for none."""
    groups: int = Field(default=10, ge=2)
    """Parts, each left out once, for the intervals of distances between sets."""
    inception: str | None = None
    """A file (.safetensors) with the weights of the Inception network of the Frechet inception
    distance (`pt_inception-2015-12-05`); null: the distance is not given.
    """
    alexnet: str | None = None
    """A file (.safetensors) with torchvision's weights of AlexNet, for LPIPS; null: it is not
    given.
    """
    seed: int = Field(default=0, ge=0)
    """Seed of draws, directions and resamples."""


class ClosingConfig(ConfigModel):
    """How views are handed to the retrieval job, which looks for the crops of their places."""

    crop: Literal["turned", "crops"] = "turned"
    """`turned`: crops with the direction of view upwards where it is known; `crops`: north up."""
    sample: int = Field(default=0, ge=0)
    """Which of the samples of a place is looked for, from 0."""
