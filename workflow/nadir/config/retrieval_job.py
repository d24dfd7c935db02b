"""Retrieval: the section of the configuration."""

from __future__ import annotations

from pydantic import Field

from nadir.config.base import ConfigModel, Name
from nadir.config.retrieval import PlacesDataset
from nadir.config.retrieval_experiments import RetrievalExperiment


class RetrievalConfig(ConfigModel):
    """Retrieval: images of places, and the networks that find a place again in another view."""

    datasets: dict[Name, PlacesDataset] = Field(default_factory=dict)
    """Dataset name -> images of places."""
    experiments: dict[Name, RetrievalExperiment] = Field(default_factory=dict)
    """Experiment name -> network, training and evaluation."""
