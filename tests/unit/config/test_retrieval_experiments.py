"""Configuration of retrieval's networks and trainings."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nadir.config.recipes import merge
from nadir.config.retrieval_experiments import (
    RetrievalExperiment,
    RetrievalTrain,
    SharedEncoder,
    TwoView,
)
from nadir.config.retrieval_recipes import RETRIEVAL_RECIPES


@pytest.mark.parametrize("name", sorted(RETRIEVAL_RECIPES))
def test_recipes_are_experiments(name: str) -> None:
    given = {"datasets": ["places"], "recipe": name, **RETRIEVAL_RECIPES[name]}
    experiment = RetrievalExperiment.model_validate(given)
    assert isinstance(experiment.model, TwoView if name.startswith("two_view") else SharedEncoder)


def test_a_recipe_gives_way_to_the_experiment() -> None:
    own = {"datasets": ["places"], "model": {"weights": None}, "train": {"seed": 3}}
    filled = RetrievalExperiment.model_validate(merge(RETRIEVAL_RECIPES["two_view"], own))
    assert filled.model.weights is None and filled.model.encoder == "resnet50"
    assert filled.train.seed == 3 and filled.train.batch_size == 8


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"paired": False}, "'infonce' needs both views"),
        ({"losses": {"terms": {}}}, "at least one term"),
        ({"losses": {"terms": {"infonce": 0}}}, "at least one term"),
        (
            {"paired": False, "hard_negatives": 0.5, "losses": {"terms": {"instance": 1}}},
            "set paired",
        ),
    ],
)
def test_trainings_that_contradict_themselves(values: dict, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RetrievalTrain(**values)


def test_the_light_encoder_has_no_weights() -> None:
    with pytest.raises(ValidationError, match="no weights for the encoder 'light'"):
        SharedEncoder(weights="imagenet")
