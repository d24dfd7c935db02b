"""Training: losses, optimizers, schedules, sampling and augmentation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel

LossTerm = Literal["cross_entropy", "focal", "dice", "jaccard", "lovasz", "boundary"]


Extra = Literal["distance", "shares", "seen", "edges"]
"""What a loss may look at: distance to outlines, shares of classes, share of dates seen, pixels
with a neighbor of another class.
"""


class LossConfig(ConfigModel):
    """What is minimized: a weighted sum of terms; pixels without a label never count.

    `edge_weight`, `purity` and `cloud_weight` act in every term: a pixel that weighs 2 counts as
    two such pixels. `class_weights` act in every term as well. `border_weight` and `smoothing` act
    in `cross_entropy` and `focal`, `labels: fraction` there and in `dice` and `jaccard`; where
    `terms` has none of those, they are errors.
    """

    name: Literal["cross_entropy"] = "cross_entropy"
    """The term that is there where `terms` says nothing else."""
    terms: dict[LossTerm, Annotated[float, Field(gt=0)]] = Field(
        default={"cross_entropy": 1.0}, min_length=1
    )
    """Term -> weight. `focal`: cross-entropy that counts certain pixels less (Lin et al. 2017).
    `dice`: one minus the soft Dice coefficient, mean over the classes (Milletari et al. 2016), for
    shares in the form of Wang et al. 2023; `jaccard`: the same for the soft IoU. `lovasz`: the
    convex surrogate of the IoU on hard labels (Berman et al. 2018). `boundary`, for two classes:
    how far from the outlines probability lies on the wrong side (Kervadec et al. 2019).
    """
    labels: Literal["hard", "fraction"] = "hard"
    """What is learned from: one class a pixel, or the shares of all classes in it, as the fine mask
    gives them. `lovasz` and `boundary` know hard labels alone.
    """
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Label smoothing, in `cross_entropy` and `focal`: share of each label that is spread over all
    classes.
    """
    focal_gamma: float = Field(default=2.0, ge=0)
    """Exponent of `focal`."""
    edge_weight: float = Field(default=0.0, ge=-1)
    """What pixels with a neighbor of another class count more, in every term: a factor of 1 + this;
    -1 leaves them out. Seams of mixed samples (`augment.mix`) are no such neighborhood.
    """
    purity: float = Field(default=0.0, ge=0)
    """Pixels count, in every term, as the share of their largest class in them to the power of
    this.
    """
    cloud_weight: float = Field(default=1.0, ge=0, le=1)
    """What a pixel counts, in every term, that is seen on hardly any date; in between in proportion
    to the dates on which it is seen.
    """
    border_weight: float = Field(default=0.0, ge=0)
    """What pixels at a border of the last class count more in `cross_entropy` and `focal`
    (Ronneberger et al. 2015), and in no other term: a factor of 1 + this at the border, falling off
    as a Gaussian of `border_width`.
    """
    border_width: float = Field(default=5.0, gt=0)
    """Width of that Gaussian, in pixels of the imagery."""
    class_weights: Literal[
        "none", "inverse_frequency", "inverse_root", "ins", "effective_number", "manual"
    ] = "inverse_frequency"
    """Weight of each class: `inverse_frequency` is N/(K*n), `inverse_root` is 1/sqrt(n) scaled to
    mean 1, `ins` is 1/n scaled to mean 1 (inverse number of samples), `effective_number` is
    (1-beta)/(1-beta^n) scaled to mean 1 (Cui et al. 2019). In `cross_entropy`, `focal` and
    `boundary`, means over pixels, each pixel weighs as its class; in `dice`, `jaccard` and
    `lovasz`, means over classes, each class does.
    """
    beta: float = Field(default=0.99999, ge=0, lt=1)
    """For `effective_number`: the nearer to 1, the nearer to `ins`."""
    manual: dict[str, float] = Field(default_factory=dict)
    """Class name -> weight, for `manual` (1 where not given)."""
    max_weight: float = Field(default=10.0, gt=0)
    """Largest class weight, so that one rare class cannot drown the rest."""

    @model_validator(mode="after")
    def _nothing_that_acts_in_no_term(self) -> Self:
        pixelwise = ("cross_entropy", "focal")
        asked = (
            ("smoothing", self.smoothing > 0, pixelwise, "0"),
            ("border_weight", self.border_weight > 0, pixelwise, "0"),
            ("labels: fraction", self.labels == "fraction", (*pixelwise, "dice", "jaccard"), ""),
        )
        for key, wanted, takers, off in asked:
            if wanted and not self.terms.keys() & set(takers):
                instead = f"set {key}: {off}" if off else "set labels: hard"
                raise ValueError(
                    f"{key} acts in no term of this loss (terms: {', '.join(self.terms)}); add one "
                    f"of {', '.join(takers)} to terms, or {instead}"
                )
        return self

    @property
    def uses_outlines(self) -> bool:
        """Whether the loss looks at the distance of pixels to the nearest outline."""
        return self.border_weight > 0 or "boundary" in self.terms

    @property
    def uses_shares(self) -> bool:
        """Whether the loss looks at the shares of classes in a pixel."""
        return self.labels == "fraction" or self.purity > 0

    @property
    def extras(self) -> tuple[Extra, ...]:
        """What a batch holds beside input and target, in this order."""
        asked: dict[Extra, bool] = {
            "distance": self.uses_outlines,
            "shares": self.uses_shares,
            "seen": self.cloud_weight < 1,
            "edges": self.edge_weight != 0,
        }
        return tuple(name for name, wanted in asked.items() if wanted)


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
    warmup: Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, lt=1)] = 0
    """For `cosine`, in epochs, of which each has one rate; or the share of the first epoch (0.5:
    its first half) in which the rate rises step by step.
    """


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
    rotate: float = Field(default=0.0, ge=0, le=180)
    """Turn crops by a random angle of up to so many degrees either way, on top of `dihedral`."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Draw crops where rare classes are: 0 draws ground evenly; else the pixel in the middle of a
    crop (or near it, at the edge of a tile) is of a class that is drawn with a chance that goes as
    the power 1 - `balance` of its number of pixels: 1 draws each class equally often. What lies
    around it comes along.
    """
    jitter: float = Field(default=0.0, ge=0, le=1)
    """Radiometric jitter: standard deviation of a random factor (in logarithms) and of a random
    shift by channel, in standard deviations of the training tiles.
    """
    date_jitter: float = Field(default=0.0, ge=0, le=1)
    """The same for each date by itself: haze and season."""
    drop_band: float = Field(default=0.0, ge=0, lt=1)
    """Chance that a band of a date says nothing (all its pixels are the mean)."""
    drop_date: float = Field(default=0.0, ge=0, lt=1)
    """Chance that a date is missing; one always remains."""
    clouds: float = Field(default=0.0, ge=0, le=1)
    """Chance that a cloud is pasted on a date: known and invalid, or unknown and bright. Pixels
    under thick cloud on all dates have no label.
    """
    mix: Literal["none", "cutmix", "classmix"] = "none"
    """Paste on a sample a part of the next one of its batch: a rectangle (Yun et al. 2019), or half
    of its classes (Olsson et al. 2021).
    """
    mix_chance: float = Field(default=0.5, ge=0, le=1)
    """Share of samples that are mixed."""

    @model_validator(mode="after")
    def _crops_for_what_needs_them(self) -> Self:
        needing = {
            "crop": self.crop is not None,
            "scale": self.scale != 1,
            "rotate": self.rotate > 0,
            "balance": self.balance > 0,
        }
        given = [key for key, is_given in needing.items() if is_given]
        if given and self.crops is None:
            verb = "is" if len(given) == 1 else "are"
            raise ValueError(
                f"{', '.join(given)} {verb} for random crops; say how many (crops), or leave "
                f"{'it' if len(given) == 1 else 'them'} out"
            )
        return self

    @property
    def disturbs(self) -> bool:
        """Whether a sample's radiometry or validity is disturbed beyond `jitter`."""
        return any((self.date_jitter, self.drop_band, self.drop_date, self.clouds))


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
    """What is changed in tiles before they are learned from, and which of them are drawn."""
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
    swa: float | None = Field(default=None, gt=0, lt=1)
    """Judge and keep the plain mean of the weights after each step, from this share of the training
    on (Izmailov et al. 2018); in the place of `ema`.
    """
    clip: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; a larger one is shortened to it."""
    accumulate: int = Field(default=1, ge=1)
    """Take a step after so many batches, with the mean of their gradients."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and augmentation; combined with the configuration's seed."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """`auto`: bf16 mixed precision on a GPU that has it, 32 bits elsewhere."""

    @model_validator(mode="after")
    def _keys_that_exclude_each_other(self) -> Self:
        if self.ema is not None and self.swa is not None:
            raise ValueError("give either ema or swa")
        if self.augment.mix != "none" and self.loss.uses_outlines:
            raise ValueError("a loss that looks at outlines cannot be used with mixed samples")
        return self
