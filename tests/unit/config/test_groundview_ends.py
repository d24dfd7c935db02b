"""References of the ground view that lead nowhere are told, all at once."""

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError

WORLD = {"worlds": {"valley": {}}}
PATH = {"points": [[0, 0], [1, 0]]}


def faults(datasets, experiments=None):
    section = {"datasets": datasets, "experiments": experiments or {}}
    try:
        load_config({**WORLD, "groundview": section})
    except ConfigError as error:
        return str(error)
    return ""


def test_a_valid_section_has_no_fault_and_recipes_fill_it():
    given = {"a": {"recipe": "nadir_flow", "datasets": ["photos"], "path": PATH}}
    section = {"datasets": {"photos": {"world": "valley"}}, "experiments": given}
    config = load_config({**WORLD, "groundview": section})
    assert config.groundview.experiments["a"].model.name == "flow"
    assert config.groundview.experiments["a"].train.optimizer.name == "adamw"


@pytest.mark.parametrize(
    ("datasets", "experiments", "told"),
    [
        ({"photos": {"world": "vally"}}, {}, "no world 'vally'; did you mean 'valley'?"),
        (
            {"photos": {"folder": "x", "crop": {"source": "cube", "scene": "lost"}}},
            {},
            "no dataset of the land cover has a scene 'lost'",
        ),
        (
            {
                "photos": {
                    "folder": "s3://b/photos",
                    "crop": {"source": "substrate", "substrate": "m"},
                }
            },
            {},
            "photos.folder: folders of a store are not listed: `nadir download s3://b/photos",
        ),
        (
            {"photos": {"panels": {"folder": "s3://b/panels"}}},
            {},
            "photos.panels.folder: folders of a store are not listed",
        ),
        (
            {"photos": {"world": "valley"}},
            {"a": {"datasets": ["photo"]}},
            "no dataset 'photo'; did you mean 'photos'?",
        ),
        (
            {"photos": {"world": "valley"}},
            {"judge": {"datasets": ["photos"]}},
            "the name 'judge' is reserved",
        ),
        (
            {"panels": {"panels": {"folder": "x"}}},
            {"a": {"datasets": ["panels"], "path": PATH}},
            "'panels' has no map to go over",
        ),
        (
            {"photos": {"world": "valley"}},
            {"a": {"datasets": ["photos"], "path": {"points": [[242000, 4777000], [3, 4]]}}},
            "groundview.experiments.a.path.points.0.0: must be at most 180",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(datasets, experiments, told):
    assert told in faults(datasets, experiments)


def test_a_path_over_a_substrate_is_fine():
    photos = {"folder": "x", "crop": {"source": "substrate", "substrate": "s.tif"}}
    assert not faults({"photos": photos}, {"a": {"datasets": ["photos"], "path": PATH}})
