"""Searches of hyper-parameters in the configuration: what cannot be is told at once."""

from __future__ import annotations

import copy

import pytest
from pydantic import ValidationError

from nadir.config.document import load_config
from nadir.config.searches import SearchConfig
from nadir.errors import ConfigError

RATE = {"kind": "float", "low": 1e-4, "high": 1e-2, "log": True}
RAW = {
    "worlds": {"valley": {"seed": 1}},
    "landcover": {
        "datasets": {"valley": {"scenes": {"valley": {"world": "valley"}}}},
        "experiments": {
            "own": {"recipe": "nadir_landcover", "datasets": ["valley"]},
            "many": {"recipe": "nadir_landcover", "datasets": ["valley"], "seeds": [0, 3]},
            "forest": {"recipe": "random_forest", "datasets": ["valley"]},
            "both": {
                "datasets": ["valley"],
                "ensemble": {"members": ["own", "forest"]},
            },
        },
    },
}


def problems(space, **search):
    """The problems of a configuration with one search."""
    raw = copy.deepcopy(RAW)
    raw["landcover"]["searches"] = {"s": {"experiment": "own", "space": space, **search}}
    try:
        load_config(raw)
    except ConfigError as error:
        return "\n".join(error.problems)
    return ""


def test_a_good_search_is_taken():
    space = {
        "train.optimizer.learning_rate": RATE,
        "model.width": {"kind": "int", "low": 16, "high": 32, "step": 8},
        "train.loss.class_weights": {"kind": "categorical", "choices": ["none", "inverse_root"]},
    }
    assert not problems(space, max_seconds=60, workers=4)
    whole = [{"name": "unet", "encoder": "resnet18"}, {"name": "unet_scratch", "width": 16}]
    assert not problems({"model": {"kind": "categorical", "choices": whole}})
    assert not problems(space, experiment="many_3")


@pytest.mark.parametrize(
    ("space", "search", "told"),
    [
        ({"train.optimizer.learning_rat": RATE}, {}, "did you mean 'learning_rate'"),
        ({"model.width": {**RATE, "log": False, "high": 30}}, {}, "width"),
        ({"train.batch_size": {"kind": "float", "low": 2, "high": 8}}, {}, "a whole number"),
        ({"train.ema": {"kind": "float", "low": 0.9, "high": 1.0}}, {}, "1.0 cannot be"),
        ({"train.swa": {"kind": "float", "low": 0.5, "high": 0.9}}, {}, "either ema or swa"),
        ({"train.seed": {"kind": "int", "low": 0, "high": 9}}, {}, "no parameter"),
        ({"predict.tta": {"kind": "categorical", "choices": ["none", "flips"]}}, {}, "only keys"),
        ({"model.width": {"kind": "int", "low": 9, "high": 4}}, {}, "must be less than high"),
        ({"model.width": {"kind": "int", "low": 4, "high": 9, "step": 2}}, {}, "do not lead"),
        ({"train.ema": {**RATE, "low": 0}}, {}, "above zero"),
        ({"model.width": {"kind": "categorical", "choices": [8, 8]}}, {}, "given twice"),
        ({"train.ema": {"kind": "flot"}}, {}, "did you mean 'float'"),
        ({"train.clip": RATE}, {"experiment": "owm"}, "did you mean 'own'"),
        (
            {"train.clip": RATE},
            {"experiment": "many"},
            "s.experiment: 'many' has several seeds, an experiment each: name one of them "
            "('many_0', 'many_3')",
        ),
        ({"train.clip": RATE}, {"experiment": "forest"}, "random forest"),
        ({"train.clip": RATE}, {"experiment": "both"}, "ensemble"),
        ({"train.clip": RATE}, {"dataset": "valey"}, "did you mean 'valley'"),
        ({"train.clip": RATE}, {"metric": "test_miou"}, "validation_miou"),
        (
            {"model": {"kind": "categorical", "choices": [{"name": "unet"}, {"name": "unot"}]}},
            {},
            "unot",
        ),
        ({"model.encoder": {"kind": "categorical", "choices": ["a", "b"]}}, {}, "encoder"),
    ],
)
def test_what_cannot_be_is_told(space, search, told):
    found = problems(space, **search)
    assert told in found and "landcover.searches.s" in found


def test_an_experiment_may_not_be_called_as_the_folder_of_searches():
    raw = copy.deepcopy(RAW)
    raw["landcover"]["experiments"]["searches"] = raw["landcover"]["experiments"]["own"]
    with pytest.raises(ConfigError, match="reserved"):
        load_config(raw)


def test_values_are_put_over_an_experiment_sections_before_keys():
    cfg = SearchConfig(
        experiment="own",
        max_seconds=9,
        space={
            "model.width": {"kind": "int", "low": 1, "high": 99},
            "model": {"kind": "categorical", "choices": [{"name": "unet"}, {"name": "fpn"}]},
        },
    )
    base = {"model": {"name": "unet_scratch", "depth": 3}, "train": {"epochs": 5}}
    made = cfg.over(base, {"model.width": 7, "model": {"name": "fpn"}})
    assert made == {
        "model": {"name": "fpn", "width": 7},
        "train": {"epochs": 5, "max_seconds": 9.0},
    }
    assert base == {"model": {"name": "unet_scratch", "depth": 3}, "train": {"epochs": 5}}
    with pytest.raises(ValidationError):
        SearchConfig(experiment="own", space={})
