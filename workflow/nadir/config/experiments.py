"""Experiments: a model, its training, its prediction and its evaluation on a dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nadir.config.base import ConfigModel, Name


class UNet(ConfigModel):
    """U-Net with skip connections on an encoder of segmentation-models-pytorch or timm."""

    name: Literal["unet"] = "unet"
    encoder: str = "resnet50"
    """Encoder by name (`resnet18`, `resnet50`, ...; `tu-NAME` for any of timm's)."""
    weights: str | None = None
    """`imagenet` (fetched when reachable), a file (.safetensors) of encoder weights, or null for
    none.
    """
    decoder_channels: tuple[int, ...] = (256, 128, 64, 32, 16)
    """Channels of the decoder's stages, from the coarsest on; their number is the encoder's depth.
    """
    reduce: int = Field(default=1, ge=1, le=8)
    """Show the network the image averaged over squares of so many pixels a side, and bring its
    answer back bilinearly: quicker by the square of it, where things are many pixels large.
    """


class UNetNoSkip(ConfigModel):
    """Encoder and decoder without skips between them.

    The decoder is of transposed convolutions (2048 to 32 channels), its result is resized
    bilinearly to the tile.
    """

    name: Literal["unet_noskip"] = "unet_noskip"
    encoder: str = "resnet50"
    """Encoder by name, as for `unet`."""
    weights: str | None = None
    """As for `unet`."""


class UNetScratch(ConfigModel):
    """The classic U-Net of double convolutions, without pretraining (Ronneberger et al. 2015)."""

    name: Literal["unet_scratch"] = "unet_scratch"
    width: int = Field(default=64, ge=4)
    """Channels of the first stage; each deeper stage has twice as many."""
    depth: int = Field(default=4, ge=2, le=6)
    """Number of poolings."""
    reduce: int = Field(default=1, ge=1, le=8)
    """As for `unet`."""


class UNetSmall(ConfigModel):
    """A U-Net of 3,842,241 parameters for RGB and two classes: 22 convolutions, 18 batch norms.

    Small enough to train from random weights on single pictures. For two classes it has one logit.
    """

    name: Literal["unet_small"] = "unet_small"


class RandomForest(ConfigModel):
    """Per-pixel random forest over the bands of all dates: the baseline that sees no context."""

    name: Literal["random_forest"] = "random_forest"
    trees: int = Field(default=100, ge=1)
    """Number of trees."""
    max_depth: int | None = Field(default=20, ge=1)
    """Largest depth of a tree."""
    min_leaf: int = Field(default=5, ge=1)
    """Least number of pixels in a leaf."""
    pixels: int = Field(default=200_000, ge=100)
    """Most training pixels drawn (stratified by tile, seeded); all of them when there are fewer."""


ModelConfig = Annotated[
    UNet | UNetNoSkip | UNetScratch | UNetSmall | RandomForest, Field(discriminator="name")
]


LossTerm = Literal["cross_entropy", "dice", "boundary"]


class LossConfig(ConfigModel):
    """What is minimized: a weighted sum of terms; pixels without a label never count."""

    name: Literal["cross_entropy"] = "cross_entropy"
    """The term that is there where `terms` says nothing else."""
    terms: dict[LossTerm, Annotated[float, Field(gt=0)]] = Field(
        default={"cross_entropy": 1.0}, min_length=1
    )
    """Term -> weight. `dice`: one minus the soft Dice coefficient, mean over the classes (Milletari
    et al. 2016). `boundary`, for two classes: how far from the outlines probability lies on the
    wrong side (Kervadec et al. 2019).
    """
    border_weight: float = Field(default=0.0, ge=0)
    """What pixels at a border of the last class count more in cross-entropy (Ronneberger et al.
    2015): a factor of 1 + this at the border, falling off as a Gaussian of `border_width`.
    """
    border_width: float = Field(default=5.0, gt=0)
    """Width of that Gaussian, in pixels of the imagery."""
    class_weights: Literal["none", "inverse_frequency", "inverse_root", "manual"] = (
        "inverse_frequency"
    )
    """Weight of each class: `inverse_frequency` is N/(K*n), `inverse_root` is 1/sqrt(n) scaled to
    mean 1.
    """
    manual: dict[str, float] = Field(default_factory=dict)
    """Class name -> weight, for `manual` (1 where not given)."""
    max_weight: float = Field(default=10.0, gt=0)
    """Largest class weight, so that one rare class cannot drown the rest."""

    @property
    def uses_outlines(self) -> bool:
        """Whether the loss looks at the distance of pixels to the nearest outline."""
        return self.border_weight > 0 or "boundary" in self.terms


class OptimizerConfig(ConfigModel):
    """The optimizer."""

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    """Initial learning rate."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay."""


class SchedulerConfig(ConfigModel):
    """The learning-rate schedule."""

    name: Literal["plateau", "cosine", "step", "constant"] = "plateau"
    """`plateau`: multiply by `factor` when the validation loss has not fallen for `patience`
    epochs; `cosine`: fall to zero over all epochs (or over `max_seconds`, whichever is sooner),
    after `warmup` epochs; `step`: multiply by `factor` once, after two thirds of all epochs (or of
    `max_seconds`).
    """
    factor: float = Field(default=0.5, gt=0, lt=1)
    """For `plateau` and `step`."""
    patience: int = Field(default=3, ge=0)
    """For `plateau`, in epochs."""
    warmup: int = Field(default=0, ge=0)
    """For `cosine`, in epochs."""


class AugmentConfig(ConfigModel):
    """In which forms the training tiles are shown; validation tiles are shown as they are."""

    dihedral: Literal["none", "copies", "random"] = "copies"
    """`copies`: each tile as it is, and tiles rich in rare classes also rotated by 90, 180, 270
    degrees and flipped both ways; `random`: each tile in a random one of the 8 forms, each epoch
    anew, and tiles rich in rare classes six times.
    """
    rare_classes: tuple[str, ...] = ()
    """Names of the classes that earn extra copies."""
    rare_share: float = Field(default=0.05, ge=0, le=1)
    """Share of a tile's labelled pixels above which it counts as rich in rare classes."""
    crops: int | None = Field(default=None, ge=1)
    """Show so many random crops of the training ground an epoch in the place of tiles. Crops may
    lie across tiles and never leave them; `dihedral: copies` turns them as `random` does.
    """
    crop: int | None = Field(default=None, ge=16)
    """Side of a crop as the network sees it, in pixels; by default that of the largest tile."""
    scale: float = Field(default=1.0, ge=1, le=4)
    """Crops cover ground between 1/`scale` and `scale` times their side, log-uniformly drawn, and
    are resampled; labels by nearest neighbor.
    """
    jitter: float = Field(default=0.0, ge=0, le=1)
    """Radiometric jitter: standard deviation of a random factor (in logarithms) and of a random
    shift by channel, in standard deviations of the training tiles.
    """


class TrainConfig(ConfigModel):
    """Training."""

    epochs: int = Field(default=100, ge=1)
    """Passes over the training tiles."""
    batch_size: int = Field(default=12, ge=1)
    """Tiles a step."""
    loss: LossConfig = LossConfig()
    """What is minimized."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimizer."""
    scheduler: SchedulerConfig = SchedulerConfig()
    """The learning-rate schedule."""
    augment: AugmentConfig = AugmentConfig()
    """Rotations, flips and extra copies."""
    monitor: Literal["validation_loss", "validation_miou", "validation_iou"] = "validation_loss"
    """What decides which epoch's weights are kept; `validation_iou` is the IoU of
    `monitor_class`.
    """
    monitor_class: str | None = None
    """Name of the class of `validation_iou`; by default the last of the class table."""
    early_stopping: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without improvement of `monitor`; null: never."""
    max_seconds: float | None = Field(default=None, gt=0)
    """End, within an epoch if need be, once so many seconds of computing (of all processor cores
    together on a CPU, of the clock with a GPU) are spent, validation included; a resumed run goes
    on with the sum. The result then depends on the speed of the machine.
    """
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Judge and keep a moving average of the weights; the share of the old average that each step
    leaves (0.99: some 100 steps). Null keeps the weights themselves.
    """
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and augmentation; combined with the configuration's seed."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """`auto`: bf16 mixed precision on a GPU that has it, 32 bits elsewhere."""


class PredictConfig(ConfigModel):
    """Sliding-window prediction of whole scenes."""

    window: int | None = Field(default=None, ge=16)
    """Side of a window in pixels; by default the largest tile size."""
    overlap: float = Field(default=0.5, ge=0, lt=1)
    """Share of a window's side that it shares with the next one; overlapping predictions are
    blended smoothly.
    """
    batch_size: int = Field(default=16, ge=1)
    """Windows a step."""
    tta: Literal["none", "flips", "dihedral"] = "none"
    """Test-time augmentation, the mean over turned windows: `flips` over 4 (as it is, mirrored both
    ways, turned by 180 degrees), `dihedral` over all 8; of no use to `random_forest`.
    """
    scales: tuple[Annotated[float, Field(ge=0.25, le=4)], ...] = Field(
        default=(1.0,), min_length=1, max_length=5
    )
    """Scales at which windows are shown as well; predictions are averaged over all of them."""


class EvaluateConfig(ConfigModel):
    """Evaluation on the mosaic."""

    splits: tuple[Literal["train", "validation", "test"], ...] = ("validation", "test")
    """Splits to score."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Pixels mapped with less confidence are left out of the scores and counted; 0 scores all."""


class ExperimentConfig(ConfigModel):
    """One model on one or more datasets."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    """Names of the datasets that it is trained and scored on."""
    recipe: str | None = None
    """A named recipe whose values stand where this experiment says nothing."""
    model: ModelConfig = UNet()
    """The model."""
    train: TrainConfig = TrainConfig()
    """Training; of no use to `random_forest` but for its seed."""
    predict: PredictConfig = PredictConfig()
    """Prediction."""
    evaluate: EvaluateConfig = EvaluateConfig()
    """Evaluation."""
