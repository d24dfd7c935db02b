"""Maps to compare: made by the graph, of the same classes, and two."""

from __future__ import annotations

import copy

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError

SCENE = {"dates": {"june": {"file": "a.tif"}}, "mask": {"file": "m.tif"}}
RAW = {
    "landcover": {
        "datasets": {
            "old": {"bands": ["B02"], "scenes": {"home": SCENE}},
            "new": {"bands": ["B02"], "scenes": {"home": SCENE}},
        },
        "experiments": {
            "net": {"datasets": ["old", "new"], "model": {"name": "unet_scratch"}},
            "other": {"datasets": ["old"], "model": {"name": "unet_scratch"}},
        },
        "changes": {
            "years": {
                "before": {"dataset": "old", "experiment": "net", "scene": "home"},
                "after": {"dataset": "new", "experiment": "net", "scene": "home"},
            }
        },
    }
}


def test_two_years_may_be_compared():
    assert load_config(RAW, look=False).landcover.changes["years"].after.dataset == "new"


@pytest.mark.parametrize(
    ("when", "key", "value", "expected"),
    [
        ("after", "dataset", "now", "years.after.dataset: no dataset 'now'"),
        ("after", "scene", "hom", "years.after.scene: no scene 'hom'"),
        ("before", "experiment", "nets", "years.before.experiment: no experiment 'nets'"),
        ("after", "experiment", "other", "'other' is not trained on 'new'"),
        ("after", "dataset", "old", "before and after are one map"),
    ],
)
def test_faults(when, key, value, expected):
    raw = copy.deepcopy(RAW)
    raw["landcover"]["changes"]["years"][when][key] = value
    with pytest.raises(ConfigError) as caught:
        load_config(raw, look=False)
    assert expected in str(caught.value)


def test_other_classes_and_a_reserved_name():
    raw = copy.deepcopy(RAW)
    named = [{"value": n, "name": f"c{n}", "color": f"#00000{n}"} for n in (1, 2)]
    own = {"classes": named}
    raw["landcover"]["datasets"]["new"]["classes"] = own
    with pytest.raises(ConfigError, match="different classes"):
        load_config(raw, look=False)
    raw = copy.deepcopy(RAW)
    raw["landcover"]["datasets"]["changes"] = raw["landcover"]["datasets"]["old"]
    with pytest.raises(ConfigError, match="'changes' is reserved"):
        load_config(raw, look=False)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_experiment_of_several_seeds_has_a_map_for_each(when):
    raw = copy.deepcopy(RAW)
    raw["landcover"]["experiments"]["many"] = {
        "datasets": ["old", "new"],
        "model": {"name": "unet_scratch"},
        "seeds": [0, 1],
    }
    raw["landcover"]["changes"]["years"][when]["experiment"] = "many"
    with pytest.raises(ConfigError) as caught:
        load_config(raw, look=False)
    said = str(caught.value)
    assert f"years.{when}.experiment: 'many' has several seeds" in said
    assert "name one of them ('many_0', 'many_1'), or an ensemble" in said
    assert "no experiment" not in said
    raw["landcover"]["changes"]["years"][when]["experiment"] = "many_1"
    assert load_config(raw, look=False).landcover.changes["years"]
