"""Recipes of the ground view are valid experiments, each of the generator it is named for."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nadir.config.groundview_job import ViewExperiment
from nadir.config.groundview_recipes import GROUNDVIEW_RECIPES


@pytest.mark.parametrize(
    ("recipe", "name"),
    [("dcgan_encoder", "dcgan_encoder"), ("nadir_gan", "conditional_gan"), ("nadir_flow", "flow")],
)
def test_a_recipe_is_a_valid_experiment(recipe, name):
    experiment = ViewExperiment(datasets=("views",), recipe=recipe, **GROUNDVIEW_RECIPES[recipe])
    assert experiment.model.name == name


def test_the_dcgan_is_told_nothing_that_it_was_not_published_with():
    experiment = ViewExperiment(datasets=("views",), **GROUNDVIEW_RECIPES["dcgan_encoder"])
    adversary = experiment.train.adversary
    assert experiment.model.latent == 4
    assert experiment.train.scheduler.name == "step"
    assert experiment.train.epochs == 800
    assert not adversary.augment and adversary.r1 == 0 and experiment.train.ema is None


def test_losses_and_generators_are_known_by_name():
    with pytest.raises(ValidationError, match="loss"):
        ViewExperiment(
            datasets=("views",), model={"name": "dcgan_encoder", "encoder": {"loss": "lpips"}}
        )
    with pytest.raises(ValidationError, match="name"):
        ViewExperiment(datasets=("views",), model={"name": "diffusion"})
