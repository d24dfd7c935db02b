"""The retrieval section: every fault at once, each with its path and the nearest valid name."""

import pytest

from nadir.config.document import load_config
from nadir.errors import ConfigError


def plain():
    """Return a small valid configuration: places of a world, and proposals for a case."""
    return {
        "worlds": {"w": {}},
        "localization": {
            "datasets": {"case": {"folder": "raw"}, "other": {"folder": "raw"}},
            "experiments": {
                "l": {
                    "datasets": ["case"],
                    "method": {
                        "name": "localiser",
                        "proposals": {"dataset": "tiles", "experiment": "e"},
                    },
                }
            },
        },
        "retrieval": {
            "datasets": {"places": {"world": "w"}, "tiles": {"case": "case"}},
            "experiments": {
                "e": {"datasets": ["places", "tiles"], "model": {"name": "shared_encoder"}}
            },
        },
    }


PROPOSALS = ("localization", "experiments", "l", "method", "proposals")
CASES = [
    (("retrieval", "datasets", "places", "world"), "ww", "places.world: no world 'ww'"),
    (
        ("retrieval", "datasets", "tiles", "case"),
        "cas",
        "tiles.case: no dataset of the localization 'cas'; did you mean 'case'?",
    ),
    (
        ("retrieval", "experiments", "e", "datasets"),
        ["place", "tiles"],
        "e.datasets: no dataset 'place'; did you mean 'places'?",
    ),
    (
        ("retrieval", "datasets", "places"),
        {"folder": "s3://bucket/university"},
        "places.folder: folders of a store are not listed: `nadir download s3://bucket/university "
        "FOLDER` copies it",
    ),
    (("retrieval", "experiments", "tiles"), {"datasets": ["places"]}, "'tiles' is reserved"),
    (
        ("retrieval", "experiments", "e", "model", "encoder"),
        "resnet5",
        "e.model.encoder: there is no encoder 'resnet5'",
    ),
    (
        ("retrieval", "experiments", "e", "model"),
        {"name": "two_view", "encoder": "mobilenet_v2", "stride": 1},
        "e.model.stride: a stride of 1 is for ResNets and VGG networks, and mobilenet_v2 is none",
    ),
    (
        ("retrieval", "experiments", "e", "model"),
        {"name": "two_view", "encoder": "tu-vit_small_patch14_dinov2"},
        "e.model.encoder: tu-vit_small_patch14_dinov2 is a plain vision transformer",
    ),
    (
        ("retrieval", "experiments", "e", "model"),
        {"name": "shared_encoder", "encoder": "tu-vit_small_patch14_dinov2", "size": 128},
        "e.model.size: 128 is no multiple of the patches of 14 pixels that "
        "tu-vit_small_patch14_dinov2 looks at; set size to 126",
    ),
    (("retrieval", "experiments", "e", "recipe"), "two_vew", "did you mean 'two_view'?"),
    ((*PROPOSALS, "dataset"), "tile", "proposals.dataset: no dataset of retrieval 'tile'"),
    ((*PROPOSALS, "experiment"), "f", "proposals.experiment: no experiment of retrieval 'f'"),
    ((*PROPOSALS, "dataset"), "places", "'places' proposes places of the case None"),
    (
        ("localization", "experiments", "l", "datasets"),
        ["case", "other"],
        "'tiles' proposes places of the case 'case', and 'l' locates photos of case, other",
    ),
    (
        ("retrieval", "experiments", "e", "datasets"),
        ["places"],
        "proposals.experiment: 'e' is not trained on 'tiles'",
    ),
]


def put(raw, path, value):
    *keys, last = path
    for key in keys:
        raw = raw.setdefault(key, {})
    raw[last] = value


@pytest.mark.parametrize(("path", "value", "expected"), CASES, ids=lambda item: str(item)[:40])
def test_one_fault_gives_one_line(path, value, expected):
    raw = plain()
    put(raw, path, value)
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    (line,) = caught.value.problems
    assert expected in line


@pytest.mark.parametrize(
    "model",
    [
        {"name": "two_view", "encoder": "vgg16_bn", "stride": 1},
        {"name": "shared_encoder", "encoder": "tu-vit_small_patch14_dinov2", "size": 126},
    ],
)
def test_what_can_be_built_is_accepted(model):
    raw = plain()
    raw["retrieval"]["experiments"]["e"]["model"] = model
    assert load_config(raw).retrieval.experiments["e"].model.encoder == model["encoder"]


def test_recipes_are_filled_in_under_what_is_given():
    raw = plain()
    raw["retrieval"]["experiments"]["seed"] = {
        "recipe": "two_view",
        "datasets": ["places"],
        "model": {"weights": None, "size": 64},
    }
    experiment = load_config(raw).retrieval.experiments["seed"]
    assert (experiment.model.name, experiment.model.size) == ("two_view", 64)
    assert experiment.model.encoder == "resnet50" and not experiment.train.paired
