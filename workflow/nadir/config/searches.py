"""Searches of hyper-parameters: what is varied around an experiment, and for how long."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.recipes import merge

SEARCHED = ("model", "train")
"""Sections of an experiment that may be varied: the others change no training."""

Scalar = bool | int | float | str | None


class FloatSpace(ConfigModel):
    """A range of real numbers."""

    kind: Literal["float"] = "float"
    low: float
    """The least value."""
    high: float
    """The largest value."""
    log: bool = False
    """Draw evenly in logarithms, as suits a learning rate."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        _check_range(self.low, self.high, self.log)
        return self

    def tried(self) -> list[Any]:
        """Return the values by which the range is checked: its ends and one between."""
        return [self.low, self.high, self.low + 0.381966 * (self.high - self.low)]


class IntSpace(ConfigModel):
    """A range of whole numbers."""

    kind: Literal["int"] = "int"
    low: int
    """The least value."""
    high: int
    """The largest value."""
    step: int = Field(default=1, ge=1)
    """Distance between values."""
    log: bool = False
    """Draw evenly in logarithms; `step` is 1 then."""

    @model_validator(mode="after")
    def _rising(self) -> Self:
        _check_range(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("give either log or a step")
        if (self.high - self.low) % self.step:
            raise ValueError(f"steps of {self.step} do not lead from {self.low} to {self.high}")
        return self

    def tried(self) -> list[Any]:
        """Return the values by which the range is checked: its ends and the one after the first."""
        return [self.low, self.high, self.low + self.step]


class ChoiceSpace(ConfigModel):
    """One of some values: numbers, names, or whole sections."""

    kind: Literal["categorical"] = "categorical"
    choices: tuple[Any, ...] = Field(min_length=2)
    """The values, without order."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        texts = [choice_text(choice) for choice in self.choices]
        if len(set(texts)) < len(texts):
            raise ValueError("a choice is given twice")
        return self

    def tried(self) -> list[Any]:
        """Return the values by which the space is checked: all of them."""
        return list(self.choices)


Space = Annotated[FloatSpace | IntSpace | ChoiceSpace, Field(discriminator="kind")]


class PrunerConfig(ConfigModel):
    """When a trial that lags behind is ended early."""

    name: Literal["median", "halving", "none"] = "median"
    """`median`: when its best score so far is worse than the median of the others' at the same
    share of the training; `halving`: unless it is among the best third at each of few shares
    (successive halving, Li et al. 2020); `none`: never.
    """
    startup: int = Field(default=5, ge=1)
    """For `median`: trials that are trained to the end before any is ended early."""
    warmup: float = Field(default=0.2, ge=0, lt=1)
    """Share of its training that every trial gets."""


class SearchConfig(ConfigModel):
    """A search of hyper-parameters around an experiment: Optuna, scored on validation tiles."""

    experiment: Name
    """The experiment that is varied; where its own values lie in the space, they are tried first.
    """
    dataset: Name | None = None
    """The dataset to search on, one of the experiment's; by default its first."""
    space: dict[str, Space] = Field(min_length=1)
    """Dotted key inside the experiment (`train.optimizer.learning_rate`, `model.width`; `model`
    or `train` alone for choices of whole sections) -> what it may be.
    """
    trials: int = Field(default=30, ge=1)
    """Trials that are finished in the end, those ended early included. More of them later go on
    from what is there.
    """
    workers: int = Field(default=1, ge=1, le=256)
    """Jobs that share the trials, on one or several machines. They find each other by a journal in
    the folder of results.
    """
    metric: Literal["validation_miou", "validation_iou", "validation_loss"] = "validation_miou"
    """Score of a trial: that of the epoch whose weights are kept, on validation tiles. Test ground
    is never looked at.
    """
    max_seconds: float | None = Field(default=None, gt=0)
    """Computing seconds of a trial, in the place of the experiment's `train.max_seconds`; null
    leaves that.
    """
    pruner: PrunerConfig = PrunerConfig()
    """When a trial is ended early."""
    startup: int = Field(default=10, ge=1)
    """Trials drawn at random before the sampler (TPE, Bergstra et al. 2011) learns from them."""
    seed: int = Field(default=0, ge=0)
    """Seed of the sampler; trainings keep the experiment's own."""

    @property
    def maximizes(self) -> bool:
        """Whether a larger score is a better one."""
        return not self.metric.endswith("loss")

    def over(self, base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
        """Return an experiment's section with a trial's values and the search's time put over it.

        Args:
            base: The experiment, as nested dictionaries with recipes filled in.
            values: Dotted key -> value. A whole section stands before the keys inside it; a model
                of another name replaces the section.
        """
        made = copy.deepcopy(base)
        if self.max_seconds is not None:
            made = merge(made, {"train": {"max_seconds": self.max_seconds}})
        for key in sorted(values, key=lambda key: (key.count("."), key)):
            nested = values[key]
            for part in reversed(key.split(".")):
                nested = {part: nested}
            made = merge(made, nested)
        return made

    def tried(self, base: dict[str, Any]) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        """Yield key, value and experiment for the values by which the space is checked."""
        whole = {key: space.tried()[0] for key, space in self.space.items() if "." not in key}
        for key, space in self.space.items():
            for value in space.tried():
                yield key, value, self.over(base, {**whole, key: value})


def choice_text(choice: Any) -> Scalar:
    """Return how a choice is kept in a journal: scalars as they are, the rest as JSON text."""
    if choice is None or isinstance(choice, (bool, int, float, str)):
        return choice
    return json.dumps(choice, sort_keys=True, default=list)


def _check_range(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low ({low:g}) must be less than high ({high:g})")
    if log and low <= 0:
        raise ValueError(f"log needs a range above zero, and low is {low:g}")
