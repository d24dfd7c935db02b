"""The localization section: every fault at once, each with its path and the nearest valid name."""

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError


def plain():
    """Return a small valid configuration."""
    return {
        "worlds": {"w": {"width_km": 2.0, "height_km": 1.0}},
        "localization": {
            "datasets": {
                "case": {"world": "w", "simulate": {"substrate_px": 2000, "resolution": 0.5}}
            },
            "experiments": {"e": {"datasets": ["case"], "method": {"name": "regression"}}},
        },
    }


def put(raw, path, value):
    *keys, last = ("localization", *path)
    for key in keys:
        raw = raw.setdefault(key, {})
    raw[last] = value


CASE = ("datasets", "case")
EXPERIMENT = ("experiments", "e")
CASES = [
    ((*CASE, "world"), "W", "datasets.case.world: no world 'W'"),
    ((*CASE, "folder"), "x", "datasets.case: give exactly one of world and folder"),
    ((*CASE, "truth"), "x", "case: a simulated case has its own substrate, truth and dates"),
    ((*CASE, "validatoin"), 0.1, "case.validatoin: unknown key; did you mean 'validation'?"),
    (
        (*CASE, "simulate", "substrate_px"),
        2001,
        "case.simulate.substrate_px: 2001 pixels of 0.5 m are larger than the world 'w' of "
        "2 x 1 km; use at most 2000",
    ),
    (
        (*CASE, "simulate", "photo_px"),
        2001,
        "case.simulate.photo_px: a photo of 2001 pixels is larger than the substrate of 2000",
    ),
    ((*EXPERIMENT, "datasets"), ["cases"], "e.datasets: no dataset 'cases'; did you mean 'case'?"),
    ((*EXPERIMENT, "method", "name"), "localizer", "did you mean 'localiser'?"),
    ((*EXPERIMENT, "method", "encoder"), "resnet5", "e.method.encoder: there is no encoder"),
    ((*EXPERIMENT, "method", "weights"), "imagnet", "did you mean 'imagenet'?"),
    (("experiments", "mosaics"), {"datasets": ["case"]}, "experiments.mosaics: the name 'mosaics'"),
    (("experiments", "references"), {"datasets": ["case"]}, "'references' is reserved"),
]


@pytest.mark.parametrize(("path", "value", "expected"), CASES, ids=lambda item: str(item)[:40])
def test_one_fault_gives_one_line(path, value, expected):
    raw = plain()
    put(raw, path, value)
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    (line,) = caught.value.problems
    assert line.startswith("localization.") and expected in line


def test_every_fault_is_shown_at_once():
    raw = plain()
    put(raw, (*CASE, "world"), "ww")
    put(raw, ("datasets", "other"), {})
    put(raw, (*EXPERIMENT, "datasets"), ["cse", "other"])
    put(raw, (*EXPERIMENT, "method", "epochs"), 0)
    put(raw, ("experiments", "mosaics"), {"datasets": ["cse"]})
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    found = {
        line.partition(": ")[0].removeprefix("localization.") for line in caught.value.problems
    }
    # What is at fault itself counts by its name alone: `other` is a dataset, and `e` is not read.
    assert found == {
        "datasets.case.world",
        "datasets.other",
        "experiments.e.method.epochs",
        "experiments.mosaics",
        "experiments.mosaics.datasets",
    }


def test_worlds_at_fault_do_not_hide_the_rest():
    raw = plain()
    raw["worlds"]["w"]["width_km"] = "wide"
    put(raw, (*CASE, "simulate", "substrate_px"), 10**6)
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    (line,) = caught.value.problems
    assert line.startswith("worlds.w.width_km")


def test_a_sound_section_is_taken():
    config = load_config(plain())
    assert config.localization.experiments["e"].method.name == "regression"
    assert not load_config({}).localization.datasets
