"""Ensembles whose members lead nowhere."""

from __future__ import annotations

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError


def document(**experiments):
    dataset = {"scenes": {"home": {"world": "valley"}}, "tiles": {"sizes": [64]}}
    network = {"datasets": ["here"], "model": {"name": "unet_scratch"}}
    return {
        "worlds": {"valley": {"width_km": 5.12, "height_km": 5.12}},
        "landcover": {
            "datasets": {"here": dataset, "there": dataset},
            "experiments": {"one": network, "two": network, **experiments},
        },
    }


def ensemble(*members, datasets=("here",)):
    return {"datasets": list(datasets), "ensemble": {"members": list(members)}}


def test_members_that_are_there():
    config = load_config(document(both=ensemble("one", "two")))
    assert config.landcover.experiments["both"].ensemble.members == ("one", "two")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"both": ensemble("one", "twoo")}, "no experiment 'twoo'"),
        ({"both": ensemble("one", "one")}, "named twice"),
        ({"both": ensemble("one", "two", datasets=("there",))}, "not trained on there"),
        ({"a": ensemble("one", "two"), "b": ensemble("a", "one")}, "an ensemble itself"),
    ],
)
def test_members_that_lead_nowhere(given, said):
    with pytest.raises(ConfigError, match=said):
        load_config(document(**given))


def test_buildings_know_no_calibration():
    given = document()
    town = {"datasets": ["towns"], "model": {"name": "unet_small"}, "predict": {"calibrate": True}}
    layout = {"kind": "world", "world": "valley", "simulate": {"size_px": 256, "cities": 2}}
    given["buildings"] = {
        "datasets": {"towns": {"sources": {"towns": layout}}},
        "experiments": {"net": town},
    }
    with pytest.raises(ConfigError, match="this is for land cover"):
        load_config(given)
