"""Ground view: the section of the configuration."""

from __future__ import annotations

from pydantic import Field

from nadir.config.base import ConfigModel, Name
from nadir.config.groundview import PhotosDataset
from nadir.config.groundview_evaluate import ClosingConfig, JudgeConfig, ViewEvaluateConfig
from nadir.config.groundview_experiments import (
    Flow,
    GenerateConfig,
    GeneratorConfig,
    PathConfig,
    ViewTrain,
)
from nadir.config.retrieval_experiments import RetrievalTrain, SharedEncoder


class ViewExperiment(ConfigModel):
    """One generator on one or more sets of photos."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    """Names of the datasets that it is trained and judged on."""
    recipe: str | None = None
    """A named recipe whose values stand where this experiment says nothing."""
    model: GeneratorConfig = Flow()
    """The generator."""
    train: ViewTrain = ViewTrain()
    """Training."""
    generate: GenerateConfig = GenerateConfig()
    """What is generated of the test places."""
    path: PathConfig | None = None
    """A line over the map along which views are generated, as a film; null: none. Only for datasets
    whose crops come from a world or a substrate.
    """
    evaluate: ViewEvaluateConfig = ViewEvaluateConfig()
    """How generated views are scored."""


class ClosingJob(ClosingConfig):
    """The network that closes the loop: trained on real photos, it is asked with generated views.

    It finds, among the crops of all test places, the one that a view was generated from, or not.
    """

    model: SharedEncoder = SharedEncoder(size=64, statistics=True)
    """The network."""
    train: RetrievalTrain = RetrievalTrain(epochs=60)
    """Its training."""


class GroundviewConfig(ConfigModel):
    """Ground view: photos with what is seen of their places from above, and generators.

    A generator draws the photo that an observer would take from the crop of the place.
    """

    datasets: dict[Name, PhotosDataset] = Field(default_factory=dict)
    """Dataset name -> photos and crops."""
    experiments: dict[Name, ViewExperiment] = Field(default_factory=dict)
    """Experiment name -> generator, training and evaluation."""
    judge: JudgeConfig = JudgeConfig()
    """The network by which the views of all experiments are judged."""
    closing: ClosingJob | None = ClosingJob()
    """The retrieval that is asked with generated views; null: none is."""
