"""One section, an experiment a seed."""

from __future__ import annotations

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError

FILE = {"file": "a.tif"}
SCENES = {"home": {"dates": {"june": FILE}, "mask": {"file": "m.tif"}}}
NET = {"datasets": ["d"], "model": {"name": "unet_scratch"}, "train": {"epochs": 3}}


def job_of(experiments):
    dataset = {"bands": ["B02"], "scenes": SCENES}
    return load_config(
        {"landcover": {"datasets": {"d": dataset}, "experiments": experiments}}, look=False
    ).landcover


def fault_of(experiments):
    with pytest.raises(ConfigError) as caught:
        job_of(experiments)
    return str(caught.value)


def test_each_seed_is_an_experiment():
    found = job_of({"net": {**NET, "seeds": [0, 5]}, "other": NET}).experiments
    assert list(found) == ["net_0", "net_5", "other"]
    assert [found[name].train.seed for name in ("net_0", "net_5")] == [0, 5]
    assert [found[name].repeats for name in found] == ["net", "net", None]
    assert found["net_5"].train.epochs == 3 and found["net_5"].seeds is None
    same = found["net_5"].model_copy(update={"train": found["net_0"].train})
    assert same == found["net_0"]


def test_seeds_of_a_recipe():
    own = {"datasets": ["d"], "recipe": "nadir_landcover", "seeds": [1, 2]}
    found = job_of({"net": own}).experiments
    plain = job_of({"net": {**own, "seeds": None, "train": {"seed": 2}}}).experiments
    assert found["net_2"].train == plain["net"].train


def test_an_ensemble_has_all_seeds_of_a_member():
    ensemble = {"datasets": ["d"], "ensemble": {"members": ["net", "other"]}}
    found = job_of({"all": ensemble, "net": {**NET, "seeds": [0, 1]}, "other": NET}).experiments
    assert found["all"].ensemble.members == ("net_0", "net_1", "other")
    alone = {"datasets": ["d"], "ensemble": {"members": ["net"]}}
    found = job_of({"all": alone, "net": {**NET, "seeds": [0, 1]}}).experiments
    assert found["all"].ensemble.members == ("net_0", "net_1")


@pytest.mark.parametrize(
    ("experiments", "expected"),
    [
        ({"net": {**NET, "seeds": [0, 0]}}, "a seed is named twice"),
        ({"net": {**NET, "seeds": []}}, "net.seeds"),
        ({"net": {**NET, "seeds": [-1]}}, "net.seeds"),
        ({"net": {**NET, "seeds": 3}}, "net.seeds"),
        ({"net": {**NET, "seeds": [1], "train": {"seed": 1}}}, "both `seeds` and `train.seed`"),
        ({"net": {**NET, "seeds": [1]}, "net_1": NET}, "there is an experiment net_1 already"),
        (
            {
                "a": NET,
                "b": NET,
                "all": {"datasets": ["d"], "seeds": [1], "ensemble": {"members": ["a", "b"]}},
            },
            "all.seeds: an ensemble has none of its own",
        ),
    ],
)
def test_faults(experiments, expected):
    assert expected in fault_of(experiments)
