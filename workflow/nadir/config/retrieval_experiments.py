"""Retrieval: networks, and how they are trained."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.experiments import OptimizerConfig, SchedulerConfig
from nadir.config.retrieval import RankingConfig, Weather

LIGHT = "light"
"""Encoder of nadir's own: a small residual network that learns from random weights in minutes."""

FINE_STAGES = ("resnet", "resnext", "senet", "se_resnet", "se_resnext", "vgg")
"""Beginnings of the names of encoders whose last stage can keep its maps fine."""

LossTerm = Literal["instance", "infonce", "triplet", "circle"]
"""A term of the loss by name."""


class TwoView(ConfigModel):
    """An encoder a view, or one for both, and one classifier over the places (Zheng et al. 2020).

    The feature of a picture is what the classifier's bottleneck makes of the pooled maps.
    """

    name: Literal["two_view"] = "two_view"
    encoder: str = "resnet50"
    """Encoder by name (`resnet50`, `vgg16_bn`, ...; `tu-NAME` for those of timm's that have maps of
    several scales).
    """
    weights: str | None = None
    """`imagenet` (fetched when reachable), a file (.safetensors) of encoder weights, or null for
    none.
    """
    share_weight: bool = True
    """Whether both views have the same encoder."""
    stride: Literal[1, 2] = 2
    """Stride of the last stage of a ResNet, or of the last pooling of a VGG network; 1 keeps its
    maps twice as fine. The published VGG16 variant pools whatever its switch says: that is 2.
    """
    pool: Literal["avg", "max", "avg+max"] = "avg"
    """How maps become a vector."""
    dimensions: int = Field(default=512, ge=8)
    """Length of a feature: width of the bottleneck."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the bottleneck that is dropped in training."""
    size: int = Field(default=384, ge=32)
    """Side in pixels to which pictures are scaled."""


class SharedEncoder(ConfigModel):
    """One encoder for all views, and a projection to features of unit length."""

    name: Literal["shared_encoder"] = "shared_encoder"
    encoder: str = LIGHT
    """`light` (nadir's own), or as for `two_view`, and vision transformers as well
    (`tu-vit_small_patch14_dinov2`, `tu-vit_small_patch16_224.dino`): their tokens are the map.
    """
    weights: str | None = None
    """As for `two_view`; there are none for `light`."""
    width: int = Field(default=16, ge=4)
    """For `light`: channels of the first layer."""
    pool: Literal["gem", "avg", "parts"] = "gem"
    """How maps become a vector: generalized mean with a learned exponent (Radenovic et al. 2019),
    mean, or the generalized mean of each of `parts` square rings (Wang et al. 2021, LPN).
    """
    parts: int = Field(default=3, ge=2, le=8)
    """For `parts`: number of rings, from the middle outwards."""
    dimensions: int = Field(default=128, ge=8)
    """Length of a feature."""
    statistics: bool = False
    """Whether deciles of the colors join the pooled maps."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the pooled values that is dropped in training."""
    size: int = Field(default=128, ge=32)
    """Side in pixels to which pictures are scaled; a multiple of a vision transformer's patch."""

    @model_validator(mode="after")
    def _own_encoder_has_no_weights(self) -> Self:
        if self.encoder == LIGHT and self.weights is not None:
            raise ValueError("there are no weights for the encoder 'light'; set weights to null")
        return self


RetrievalModel = Annotated[TwoView | SharedEncoder, Field(discriminator="name")]
"""A network by name."""


class LossesConfig(ConfigModel):
    """What is minimized: a sum of terms by name, and what they need."""

    terms: dict[LossTerm, Annotated[float, Field(ge=0)]] = Field(default={"infonce": 1.0})
    """Term -> weight; 0 leaves a term of the recipe out. `instance`: cross-entropy of both views
    over the training places with one classifier (Zheng et al. 2020); `infonce`: symmetric, each
    picture against all of the other view in the batch, with a learned temperature; `triplet` and
    `circle` (Sun et al. 2020): over all pictures of the batch.
    """
    temperature: float = Field(default=0.07, gt=0)
    """For `infonce`: where the learned temperature starts."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """For `infonce` and `instance`: share of the target that is spread over all."""
    margin: float = Field(default=0.3, gt=0)
    """For `triplet`."""
    relaxation: float = Field(default=0.25, gt=0, lt=1)
    """For `circle`: its m."""
    scale: float = Field(default=32.0, gt=0)
    """For `circle`: its gamma."""

    @model_validator(mode="after")
    def _some_term(self) -> Self:
        if not self.active:
            raise ValueError("give at least one term a weight above 0")
        return self

    @property
    def active(self) -> dict[LossTerm, float]:
        """The terms that count."""
        return {name: weight for name, weight in self.terms.items() if weight > 0}


class RetrievalAugment(ConfigModel):
    """How training pictures are changed; each change is a function of seed, epoch and place."""

    overhead: tuple[str, ...] = ("satellite",)
    """Views that look straight down."""
    turn: float = Field(default=0.0, ge=0, le=180)
    """Overhead views are turned by up to so many degrees either way."""
    quarter_turns: bool = False
    """Whether overhead views are turned by 0, 90, 180 or 270 degrees as well."""
    turn_others: float = Field(default=0.0, ge=0, le=180)
    """Other views are turned by up to so many degrees either way."""
    turn_together: float = Field(default=0.0, ge=0, le=180)
    """All views of a place are turned alike, by up to so many degrees either way."""
    flip: Literal["none", "each", "together"] = "together"
    """Whether half of the pictures are mirrored: each for itself, or all views of a place alike."""
    zoom: float = Field(default=1.0, ge=1, le=4)
    """Pictures are scaled by a factor between 1/`zoom` and `zoom`, log-uniformly drawn."""
    shift: float = Field(default=0.0, ge=0, le=0.5)
    """Pictures are shifted by up to so much of their side."""
    jitter: float = Field(default=0.0, ge=0, lt=1)
    """Largest relative change of brightness, contrast and saturation, and half of it by channel."""
    erasing: float = Field(default=0.0, ge=0, le=1)
    """Share of the pictures in which a rectangle is erased (Zhong et al. 2020)."""
    weather: float = Field(default=0.0, ge=0, le=1)
    """Share of the pictures of other than overhead views that are shown in one of `weathers`."""
    weathers: tuple[Weather, ...] = (
        "fog",
        "rain",
        "snow",
        "fog+rain",
        "fog+snow",
        "rain+snow",
        "dark",
        "over-exposure",
        "wind",
    )
    """Which these are."""


class RetrievalTrain(ConfigModel):
    """Training."""

    epochs: int = Field(default=100, ge=1)
    """Passes over the training places; each shows one picture of each view of a place."""
    max_seconds: float | None = Field(default=None, gt=0)
    """End after the epoch with which so many seconds of computing (of all processor cores together
    on a CPU, of the clock with a GPU) are spent. The result then depends on the machine.
    """
    batch_size: int = Field(default=32, ge=2)
    """Places a step; none is there twice."""
    paired: bool = True
    """Whether a batch shows all views of its places; else each view shows places of its own."""
    hard_negatives: float = Field(default=0.0, ge=0, le=1)
    """Share of a batch that is drawn from the nearest other places, by the features of the last
    epoch (Deuser et al. 2023).
    """
    hard_from: int = Field(default=5, ge=1)
    """Epochs before that, in which batches are drawn by chance."""
    neighbors: int = Field(default=32, ge=1)
    """How many of the nearest places count as near."""
    losses: LossesConfig = LossesConfig()
    """What is minimized."""
    optimizer: OptimizerConfig = OptimizerConfig(
        name="adamw", learning_rate=1e-3, weight_decay=0.05
    )
    """The optimizer."""
    encoder_rate: float = Field(default=1.0, gt=0)
    """Factor on the learning rate of the encoder: less than 1 spares pretrained weights."""
    scheduler: SchedulerConfig = SchedulerConfig(name="cosine", warmup=1)
    """The learning-rate schedule."""
    augment: RetrievalAugment = RetrievalAugment()
    """How pictures are changed."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Judge and keep a moving average of the weights; the share of the old average that each step
    leaves. Null keeps the weights themselves.
    """
    monitor: Literal["validation_loss", "validation_recall", "epoch"] = "epoch"
    """What decides which epoch's weights are kept; `epoch` keeps the last."""
    early_stopping: int | None = Field(default=None, ge=1)
    """Stop after so many epochs without improvement of `monitor`; null: never."""
    memory_mb: int = Field(default=4096, ge=1)
    """Decoded pictures are kept in memory when they need no more than so many MiB."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and augmentation; combined with the configuration's seed."""
    precision: Literal["auto", "32", "bf16"] = "auto"
    """`auto`: bf16 mixed precision on a GPU that has it, 32 bits elsewhere."""

    @model_validator(mode="after")
    def _terms_have_pairs(self) -> Self:
        lacking = sorted(set(self.losses.active) - {"instance"})
        if lacking and not self.paired:
            raise ValueError(f"the loss {lacking[0]!r} needs both views of a place: set paired")
        if self.hard_negatives and not self.paired:
            raise ValueError("hard_negatives compares places by both views: set paired")
        return self


class RetrievalExperiment(ConfigModel):
    """One network on one or more sets of places."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    """Names of the datasets that it is trained and ranked on."""
    recipe: str | None = None
    """A named recipe whose values stand where this experiment says nothing."""
    model: RetrievalModel = SharedEncoder()
    """The network."""
    train: RetrievalTrain = RetrievalTrain()
    """Training."""
    evaluate: RankingConfig = RankingConfig()
    """How features are compared and rankings judged."""
