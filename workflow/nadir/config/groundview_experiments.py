"""Ground view: generators, and how they are trained and asked."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel
from nadir.config.experiments import OptimizerConfig, SchedulerConfig

ViewLoss = Literal["mse", "ssim", "custom", "coarse"]
"""A distance between pictures by name: see `nadir.groundview.image_losses`."""


Longitude = Annotated[float, Field(ge=-180, le=180)]
Latitude = Annotated[float, Field(ge=-90, le=90)]


class ProjectionConfig(ConfigModel):
    """The crop resampled into the observer's view: what a camera of known heading would see where.

    A pixel below the horizon sees flat ground at a known distance; one above it sees what rises to
    a given height at a known distance (Regmi and Borji 2019 warp by the ground's homography, Shi et
    al. 2019 by polar coordinates). Each gives a layer of colors, which the generator gets beside
    the crop. Nothing but position and heading is used.
    """

    crop_m: float | None = Field(default=None, gt=0)
    """Side of a crop on the ground, in metres; null takes a pixel of it as a metre."""
    view_deg: float = Field(default=75.0, ge=20, le=150)
    """Angle that the width of a photo covers."""
    horizon: float = Field(default=0.5, gt=0, lt=1)
    """Where the horizon lies, as a share of a photo's height from its top."""
    eye_height_m: float = Field(default=1.7, gt=0)
    """Height of the camera above the ground in metres."""
    heights_m: tuple[float, ...] = (5.0, 14.0)
    """For what rises above the horizon: heights above the ground, a layer each."""
    polar: bool = True
    """A further layer whose rows are distances from near (bottom) to far (top), in logarithms."""
    nearest_m: float = Field(default=2.0, gt=0)
    """Distance of the last row of that layer, in metres."""

    @model_validator(mode="after")
    def _above_the_eye(self) -> Self:
        if any(height <= self.eye_height_m for height in self.heights_m):
            raise ValueError("heights_m: what rises above the horizon is higher than eye_height_m")
        return self

    @property
    def layers(self) -> int:
        """Number of layers: the ground, one for each height, and the polar one."""
        return 1 + len(self.heights_m) + self.polar


class EncoderConfig(ConfigModel):
    """Second stage of `dcgan_encoder`: from a crop to a latent, through the frozen generator."""

    loss: ViewLoss = "custom"
    """What is minimized between a photo and the view generated for its crop."""
    share: float = Field(default=0.35, gt=0, lt=1)
    """Share of `epochs` and of `max_seconds` that this stage has; the adversarial one has the rest.
    """
    learning_rate: float = Field(default=1e-3, gt=0)
    """Initial learning rate of the encoder."""


class DcganEncoder(ConfigModel):
    """A DCGAN (Radford et al. 2016) of a tiny latent, and an encoder from crop to latent.

    The generator lifts the latent to maps of photo side / 32 and goes through five transposed
    convolutions of 4 x 4 and stride 2; the discriminator mirrors it. Crops are shown as they are,
    north up.
    """

    name: Literal["dcgan_encoder"] = "dcgan_encoder"
    latent: int = Field(default=4, ge=1)
    """Numbers that a picture is generated from."""
    width: int = Field(default=64, ge=4)
    """Channels before the last transposed convolution; each earlier one has twice as many."""
    crop_px: int = Field(default=64, ge=16)
    """Side in pixels to which crops are scaled for the encoder."""
    encoder: EncoderConfig = EncoderConfig()
    """The second stage."""
    spread: float = Field(default=0.25, ge=0)
    """Standard deviation of what is added to the encoder's latent for further samples of a place;
    the first is the encoder's own.
    """


class _Conditional(ConfigModel):
    """What nadir's generators share: a U-Net over projection and embedded crop."""

    crop_px: int = Field(default=32, ge=16)
    """Side in pixels to which crops are scaled for the embedding."""
    embedding: int = Field(default=48, ge=4)
    """Numbers that a crop is embedded in."""
    heading: bool = True
    """Whether a known heading is used: crops turned heading-up, and the projection. Where it is
    unknown, both models know that, and have the north-up crop alone.
    """
    projection: ProjectionConfig | None = ProjectionConfig()
    """Resampling of crops into the view; null leaves it out."""
    widths: tuple[int, ...] = Field(default=(24, 40, 64, 96), min_length=2, max_length=7)
    """Channels at each resolution, from the finest; each next one has half the side."""
    patch: Literal[1, 2, 4, 8] = 2
    """The U-Net works on squares of so many pixels: quicker by its square."""


class ConditionalGan(_Conditional):
    """A conditional GAN in the manner of FastGAN (Liu et al. 2021) and StyleGAN2.

    Style from embedded crop and noise, skip-layer excitation, a projection discriminator with
    minibatch deviation, DiffAugment (Zhao et al. 2020), R1 (Mescheder et al. 2018), averaged
    weights, and a distance to the photo besides (Isola et al. 2017).
    """

    name: Literal["conditional_gan"] = "conditional_gan"
    latent: int = Field(default=64, ge=1)
    """Numbers of noise that join the embedding in the style."""
    discriminator_width: int = Field(default=24, ge=4)
    """Channels of the discriminator's first stage; each next one has twice as many, to 8 times."""


class Flow(_Conditional):
    """Conditional flow matching (Lipman et al. 2023; Liu et al. 2023) with guidance.

    One U-Net predicts what is to be expected of a place, and paths begin there, with noise added;
    along them a second one predicts the photo, which the velocity follows from.
    """

    name: Literal["flow"] = "flow"
    distance: ViewLoss = "custom"
    """Distance to the photo that the expected view minimizes."""
    noise: float = Field(default=0.2, gt=0)
    """Standard deviation of the noise that paths begin with, where photos go from -1 to 1."""
    steps: int = Field(default=6, ge=1)
    """Steps from there to a view."""
    solver: Literal["euler", "heun"] = "euler"
    """`heun` looks twice a step, but for the last."""
    guidance: float = Field(default=2.5, ge=0)
    """Strength of classifier-free guidance (Ho and Salimans 2022): how many times what a place adds
    to the expected view counts; 1 is none.
    """
    guidance_limit: float = Field(default=0.1, gt=0)
    """Most that guidance may change a view: root mean square over its values, from 0 to 1. What a
    place adds to the expected view can be large where few photos tell, and its multiple no view.
    """
    drop: float = Field(default=0.1, ge=0, lt=1)
    """Share of the training pairs shown without condition, for guidance."""


GeneratorConfig = Annotated[DcganEncoder | ConditionalGan | Flow, Field(discriminator="name")]
"""A generator by name."""


class AdversaryConfig(ConfigModel):
    """What GANs minimize, and what keeps their discriminator in check."""

    r1: float = Field(default=1.0, ge=0)
    """Weight of the penalty on the discriminator's gradient at photos; 0 leaves it out."""
    r1_every: int = Field(default=8, ge=1)
    """It is computed every so many steps, and weighed so many times as much."""
    augment: tuple[Literal["color", "translation", "cutout"], ...] = (
        "color",
        "translation",
        "cutout",
    )
    """What photos and generated views undergo alike before they are judged; empty for nothing."""
    distance: ViewLoss = "custom"
    """Distance of a generated view to the photo of its place, for conditional generators."""
    distance_weight: float = Field(default=10.0, ge=0)
    """Weight of that distance; 0 leaves it out."""
    discriminator_rate: float = Field(default=1.0, gt=0)
    """Factor on the learning rate of the discriminator."""
    beta1: float = Field(default=0.0, ge=0, lt=1)
    """Decay of Adam's mean gradient, for both networks; 0.5 is DCGAN's."""


class ViewTrain(ConfigModel):
    """Training."""

    epochs: int = Field(default=400, ge=1)
    """Passes over the training pairs, `passes` at a time."""
    passes: int = Field(default=4, ge=1)
    """Passes between which the state is saved, and scores and frames of the film are made."""
    max_seconds: float | None = Field(default=None, gt=0)
    """End once so many seconds of computing (of all processor cores together on a CPU, of the
    clock with a GPU) are spent. The result then depends on the speed of the machine.
    """
    batch_size: int = Field(default=16, ge=1)
    """Pairs a step; where there are fewer, some are shown twice in it."""
    mirror: bool = False
    """Whether pairs are also shown mirrored, photo and crop alike."""
    drop_heading: float = Field(default=0.1, ge=0, le=1)
    """Share of the pairs of known heading that are shown as if it were unknown."""
    turn_deg: float = Field(default=0.0, ge=0, le=45)
    """Standard deviation of a random error of known headings."""
    optimizer: OptimizerConfig = OptimizerConfig(name="adam", learning_rate=1e-3)
    """The optimizer."""
    scheduler: SchedulerConfig = SchedulerConfig(name="cosine", warmup=1)
    """The learning-rate schedule; of GANs it is the generator's alone."""
    adversary: AdversaryConfig = AdversaryConfig()
    """For GANs."""
    ema: float | None = Field(default=0.995, gt=0, lt=1)
    """Keep a moving average of the weights: the share of the old one that each step leaves. Null
    keeps the weights themselves.
    """
    shown: int = Field(default=16, ge=2)
    """Pairs whose views are generated after each epoch: for the film, and to detect collapse."""
    collapse_below: float = Field(default=0.15, ge=0, lt=1)
    """Generated views whose diversity is less than this share of that of photos have collapsed."""
    frames: int = Field(default=40, ge=1)
    """Most frames of the film that are kept."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and noise; combined with the configuration's seed."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """`auto`: bf16 mixed precision on a GPU that has it, 32 bits elsewhere."""


class GenerateConfig(ConfigModel):
    """What is generated with a trained network."""

    samples: int = Field(default=4, ge=1)
    """Views of each test place."""
    temperature: float = Field(default=1.0, ge=0)
    """Standard deviation of the noise; less gives likelier and plainer views."""
    walks: int = Field(default=3, ge=0)
    """Walks through the latent space, one a place."""
    walk_steps: int = Field(default=12, ge=2)
    """Views of a walk."""
    seed: int = Field(default=0, ge=0)
    """Seed of the noise."""


class PathConfig(ConfigModel):
    """Views along a line over the map."""

    points: tuple[tuple[Longitude, Latitude], ...] = Field(min_length=2)
    """Corners of the line: longitude and latitude in degrees."""
    steps: int = Field(default=24, ge=2)
    """Views along it, at equal distances; each looks along the line."""
    seed: int = Field(default=0, ge=0)
    """Seed of the noise, which is the same for all views."""
