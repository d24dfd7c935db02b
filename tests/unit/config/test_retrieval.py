"""Configuration of retrieval."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from nadir.config.retrieval import PlacesDataset, RankingConfig


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"folder": "a", "layout": "lists"}, "go together"),
        ({"folder": "a", "lists": {"train": "x.csv"}}, "go together"),
        ({"folder": "a", "layout": "lists", "lists": {}}, "at least one of train"),
        ({"folder": "a", "views": ("drone", "drone")}, "must differ"),
        ({"folder": "a", "test": 0}, "greater than 0"),
        ({}, "exactly one of world, case and folder"),
        ({"folder": "a", "world": "w"}, "exactly one of world, case and folder"),
        ({"world": "w", "coordinates": "a.csv"}, "belong to a folder"),
    ],
)
def test_datasets_that_contradict_themselves(values: dict, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        PlacesDataset(**values)


@pytest.mark.parametrize("weathers", [(), ("fog", "fog"), ("hail",)])
def test_weathers_are_named_once(weathers: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        RankingConfig(weathers=weathers)
    assert RankingConfig(weathers=("fog", "normal")).reranking is None
