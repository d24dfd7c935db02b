"""Experiments: a model, its training, its prediction and its evaluation on a dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.networks import (
    LibraryNetwork,
    ModelConfig,
    RandomForest,
    UNet,
    UNetNoSkip,
    UNetScratch,
    UNetSmall,
    UNetTwoEncoders,
)
from nadir.config.quality import (
    CalibrationConfig,
    EnsembleConfig,
    GeneralizeConfig,
    PolygonConfig,
    QualityConfig,
)
from nadir.config.training import (
    AugmentConfig,
    LossConfig,
    LossTerm,
    OptimizerConfig,
    SchedulerConfig,
    TrainConfig,
)

__all__ = [
    "AugmentConfig",
    "EvaluateConfig",
    "ExperimentConfig",
    "LibraryNetwork",
    "LossConfig",
    "LossTerm",
    "ModelConfig",
    "OptimizerConfig",
    "PredictConfig",
    "RandomForest",
    "SchedulerConfig",
    "TrainConfig",
    "UNet",
    "UNetNoSkip",
    "UNetScratch",
    "UNetSmall",
    "UNetTwoEncoders",
]


class PredictConfig(ConfigModel):
    """Sliding-window prediction of whole scenes."""

    window: int | None = Field(default=None, ge=16)
    """Side of a window in pixels; by default that of what the model was trained on: its crops,
    or else the largest tiles.
    """
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
    calibrate: bool = False
    """Calibrate probabilities on the validation ground, and deliver the layers of uncertainty:
    `entropy.tif`, `sets.tif` (a bit for each class that may be true) and `set_size.tif`.
    """
    calibration: CalibrationConfig = CalibrationConfig()
    """How."""
    generalize: GeneralizeConfig = GeneralizeConfig()
    """Minimum mapping unit and smooth borders."""
    polygons: PolygonConfig | None = None
    """The map as polygons; null makes none."""


class EvaluateConfig(ConfigModel):
    """Evaluation on the mosaic."""

    splits: tuple[Literal["train", "validation", "test"], ...] = ("validation", "test")
    """Splits to score."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Pixels mapped with less confidence are left out of the scores and counted; 0 scores all."""
    fine: bool = False
    """Score against the fine mask itself as well (`fine` in `metrics.json`): the share of its own
    pixels of which the map is right, mean IoU over them, and what the best map of such pixels has.
    """
    quality: QualityConfig | None = None
    """Reliability, borders, purity, blocks, areas with intervals, and their page; null: only when
    the target `quality` is asked for.
    """


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
    ensemble: EnsembleConfig | None = None
    """Answer as several other experiments do together, in the place of a model of its own."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(default=None, min_length=1)
    """Several seeds in the place of `train.seed`: `NAME` becomes the experiments `NAME_0`,
    `NAME_1`... of the seeds 0, 1..., which train side by side; the comparison shows their mean and
    spread as well, and an ensemble with the member `NAME` has all of them.
    """
    repeats: Name | None = None
    """Filled in: the experiment of several seeds that this one is of."""

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if seeds is not None and len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice")
        return seeds
