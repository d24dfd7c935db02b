"""Scenes that are fetched, in the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nadir.config.document import load_config
from nadir.config.fetch import is_fetched
from nadir.errors import ConfigError

CATALONIA = Path(__file__).parents[3] / "config" / "catalonia.yaml"
MASK = {"url": "http://127.0.0.1/cover.tif"}


def scene(**fetch: Any) -> dict[str, Any]:
    return {
        "fetch": {
            "catalog": {"url": "http://127.0.0.1/catalog.json"},
            "area": [1.0, 41.0, 2.0, 42.0],
            "dates": {"april": {"start": "2018-04-01", "end": "2018-04-30"}},
            **fetch,
        }
    }


def load(scene: dict[str, Any], job: str = "landcover"):
    return load_config({job: {"datasets": {"d": {"scenes": {"s": scene}}}}})


def test_dates_and_mask_are_what_the_graph_makes():
    made = load(scene(mask=MASK)).landcover.datasets["d"].scenes["s"]
    april = made.dates["april"]
    assert april.file == "results/fetched/landcover/d/s/april.tif"
    assert (april.baseline, april.nodata) == ("04.00", 0)
    assert made.mask is not None
    assert made.mask.file == "results/fetched/landcover/d/s/mask.tif"
    assert is_fetched(april.file) and is_fetched(made.mask.file)
    assert not is_fetched("april.tif") and not is_fetched(None)


def test_own_labels_and_none():
    own = load({**scene(), "mask": {"file": "mine.tif"}}).landcover.datasets["d"].scenes["s"]
    assert own.mask is not None and own.mask.file == "mine.tif"
    alone = load({**scene(), "role": "predict"}).landcover.datasets["d"].scenes["s"]
    assert alone.mask is None


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({**scene(mask=MASK), "dates": {"april": {"file": "a.tif"}}}, "its dates are fetched"),
        ({**scene(mask=MASK), "mask": {"file": "mine.tif"}}, "two masks"),
        (scene(), "needs a mask"),
        (scene(mask=MASK, area=[2.0, 41.0, 1.0, 42.0]), "west < east"),
        (scene(mask=MASK, dates={"mask": {"start": "2018-04-01", "end": "2018-04-02"}}), "'mask'"),
        (scene(mask=MASK, dates={"a": {"start": "2018-04-05", "end": "2018-04-01"}}), "before"),
        (scene(mask=MASK, dates={"a": {"start": "April", "end": "2018-04-01"}}), "dates.a.start"),
        (scene(mask={}), "exactly one of url and catalog"),
        (scene(mask={**MASK, "sha256": "abc"}), "64 digits"),
        (scene(mask={**MASK, "values": {1: 300}}), "between 0 and 255"),
        (scene(mask=MASK, cloud=3), "cloud"),
    ],
)
def test_faults_are_told(given, problem):
    with pytest.raises(ConfigError, match=problem):
        load(given)


def test_buildings_are_not_fetched():
    with pytest.raises(ConfigError, match="only scenes of landcover are fetched"):
        load(scene(), "buildings")


def test_the_overlay_of_catalonia_covers_the_classes():
    dataset = load_config(yaml.safe_load(CATALONIA.read_text())).landcover.datasets["catalonia"]
    fetch = dataset.scenes["catalonia"].fetch
    assert fetch is not None and fetch.mask is not None
    assert list(fetch.mask.values) == list(range(1, 42))
    assert set(fetch.mask.values.values()) == {item.value for item in dataset.table.classes}
    assert [(day.start.month, day.end.month) for day in fetch.dates.values()] == [(4, 4), (8, 8)]
    assert len(dataset.bands) == 10
    assert len(dataset.table.names) == len(dataset.table.colors) == 13
