"""Loading: every fault at once, each with its path, its value and the nearest valid name."""

import copy
import pickle
from pathlib import Path

import pytest
import yaml

from nadir.config.classes import CATALONIA, ClassTable
from nadir.config.document import load_config
from nadir.config.experiments import RandomForest, UNet, UNetNoSkip, UNetScratch
from nadir.config.landcover_ends import WORLD_DATES
from nadir.config.recipes import RECIPES, merge
from nadir.config.scenes import MaskSource
from nadir.errors import ConfigError
from nadir.simulate.materials import DATES

ROOT = Path(__file__).parents[3]
DATASET = ("landcover", "datasets", "d")
SCENE = (*DATASET, "scenes", "s")
EXPERIMENT = ("landcover", "experiments", "e")
RED = {"value": 1, "name": "a", "color": "#ff0000"}
BLUE = {"value": 2, "name": "b", "color": "#0000ff"}


def plain():
    """Return a small valid configuration."""
    return {
        "worlds": {"w": {}},
        "landcover": {
            "datasets": {"d": {"scenes": {"s": {"world": "w"}}}},
            "experiments": {
                "e": {
                    "datasets": ["d"],
                    "recipe": "unet_resnet50_skip",
                    "model": {"encoder": "resnet18"},
                }
            },
        },
    }


def put(raw, path, value):
    *keys, last = path
    for key in keys:
        raw = raw.setdefault(key, {})
    raw[last] = value


def problems_of(*changes):
    raw = plain()
    for path, value in changes:
        put(raw, path, value)
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    return caught.value.problems


CASES = [
    # a typo, with the nearest name
    (("sed",), 1, "sed: unknown key; did you mean 'seed'?"),
    (("landcover", "dataset"), {}, "landcover.dataset: unknown key; did you mean 'datasets'?"),
    ((*DATASET, "tiles", "siezs"), [64], "tiles.siezs: unknown key; did you mean 'sizes'?"),
    ((*EXPERIMENT, "trian"), {}, "experiments.e.trian: unknown key; did you mean 'train'?"),
    ((*EXPERIMENT, "model", "encodr"), "x", "e.model.encodr: unknown key; did you mean 'encoder'?"),
    (
        (*EXPERIMENT, "model", "encoder"),
        "resnet81",
        "e.model.encoder: there is no encoder 'resnet81'",
    ),
    ((*EXPERIMENT, "model", "encoder"), "tu-convnext_tny", "did you mean 'tu-convnext_tiny'?"),
    ((*EXPERIMENT, "model", "weights"), "imagnet", "did you mean 'imagenet'? Give imagenet"),
    ((*EXPERIMENT, "model", "decoder_channels"), [8, 4], "2 stages of the decoder do not fit"),
    ((*EXPERIMENT, "recipe"), "unet_resnet5", "e.recipe: no recipe 'unet_resnet5'; did you mean"),
    ((*EXPERIMENT, "recipe"), ["a"], "e.recipe: no recipe ['a'] (there are: unet_resnet50,"),
    ((*EXPERIMENT, "model"), {"name": "unett"}, "model.name: 'unett' is not known; did you mean"),
    ((*EXPERIMENT, "train", "loss", "name"), "cros_entropy", "did you mean 'cross_entropy'?"),
    ((*EXPERIMENT, "train", "monitor"), "val_loss", "did you mean 'validation_loss'?"),
    ((*EXPERIMENT, "datasets"), ["dd"], "e.datasets: no dataset 'dd'; did you mean 'd'?"),
    ((*SCENE, "world"), "wo", "scenes.s.world: no world 'wo'; did you mean 'w'?"),
    ((*SCENE, "role"), "tset", "scenes.s.role: 'tset' is not known; did you mean 'test'?"),
    ((*DATASET, "classes"), "catalonya", "no class table 'catalonya'; did you mean 'catalonia'?"),
    ((*DATASET, "labels"), {"weights": {"watr": 2}}, "no class 'watr'; did you mean 'water'?"),
    ((*DATASET, "tiles", "water_class"), "watr", "no class 'watr'; did you mean 'water'?"),
    ((*DATASET, "split", "method"), "block", "'block' is not known; did you mean 'blocks'?"),
    (
        (*EXPERIMENT, "train", "augment"),
        {"rare_classes": ["forst"]},
        "rare_classes: d has no class 'forst'; did you mean 'forest'?",
    ),
    (("compute", "device"), "gpu", "compute.device: 'gpu' is not known"),
    # a value of the wrong type, or out of range
    (
        (*EXPERIMENT, "train", "epochs"),
        "ten",
        "e.train.epochs: must be a whole number (it is 'ten'",
    ),
    ((*EXPERIMENT, "train", "epochs"), 2.5, "train.epochs: must be a whole number (it is 2.5)"),
    ((*EXPERIMENT, "train", "epochs"), 0, "train.epochs: must be at least 1 (it is 0)"),
    ((*EXPERIMENT, "train", "epochs"), True, "e.train: epochs must not be true or false"),
    ((*EXPERIMENT, "datasets"), "d", "e.datasets: must be a list (it is 'd')"),
    (
        (*EXPERIMENT, "model"),
        "unet",
        "e.model: must be a section of keys and values (it is 'unet')",
    ),
    (EXPERIMENT, None, "experiments.e: must be a section of keys and values (it is empty)"),
    (("landcover",), None, "landcover: must be a section of keys and values (it is empty)"),
    (("worlds", "w", "width_km"), "wide", "worlds.w.width_km: must be a number (it is 'wide')"),
    (("worlds", "w", "width_km"), 2.011, "worlds.w.width_km: use a multiple of 0.02 km"),
    (("worlds", "w", "relief_m"), float("nan"), "worlds.w.relief_m: must be a finite number"),
    (("worlds", "w", "origin"), [1.0], "worlds.w.origin.1: this entry is required"),
    ((*DATASET, "tiles", "sizes"), 300, "tiles.sizes: must be a list (it is 300)"),
    ((*DATASET, "tiles", "sizes"), ["big"], "tiles.sizes.0: must be a whole number"),
    ((*DATASET, "tiles", "sizes"), [], "tiles.sizes: must have 1 or more entries"),
    ((*DATASET, "tiles", "sizes"), [8], "tiles.sizes: [8] is too small"),
    (
        (*DATASET, "tiles", "sizes"),
        [64, 1025],
        "a tile of 1025 pixels is larger than the world 'w'",
    ),
    ((*DATASET, "scenes"), {}, "d.scenes: must have 1 or more entries"),
    # what does not go together
    (SCENE, {}, "scenes.s: give a world, or at least one date"),
    (SCENE, {"world": "w", "mask": {"file": "m"}}, "either a simulated world or given by dates"),
    (SCENE, {"dates": {"a": {"file": "x"}}}, "a scene with role 'learn' needs a mask"),
    (SCENE, {"dates": {"a": {}}, "role": "predict"}, "dates.a: give exactly one of file, files"),
    (SCENE, {"world": "w", "role": "test"}, "no scene has role 'learn'"),
    (SCENE, {"world": "w", "role": "predict"}, "no scene of 'd' has role 'learn'"),
    (
        (*DATASET, "scenes", "t"),
        {"dates": {"august": {"file": "x"}, "april": {"file": "y"}}, "role": "predict"},
        "scenes.t.dates: 'august' stands elsewhere than in 's'",
    ),
    ((*DATASET, "bands"), ["B02", "B02"], "d.bands: band given twice: B02"),
    ((*DATASET, "split", "fractions"), [1, 1, 1], "fractions must be positive and add up to 1"),
    ((*DATASET, "split"), {"method": "file"}, "method 'file' and the key 'file' go together"),
    ((*DATASET, "cube"), {"chunk": 128, "shard": 250}, "shard 250 is no multiple of chunk 128"),
    ((*DATASET, "split"), {"buffer": 0}, "more than the buffer of 0 between the splits"),
    (("landcover", "experiments", "scenes"), {"datasets": ["d"]}, "'scenes' is reserved"),
    ((*DATASET, "scenes", "my scene"), {"world": "w"}, "use letters, digits, '_' and '-'"),
    ((*DATASET, "classes"), {"classes": [RED, RED]}, "d.classes: class value given twice: 1"),
    ((*DATASET, "classes"), {"classes": [RED]}, "d.classes.classes: must have 2 or more entries"),
    (
        (*DATASET, "classes"),
        {"classes": [RED, {**BLUE, "color": "blue"}]},
        "d.classes.classes.1.color: must look like ^#[0-9a-fA-F]{6}$ (it is 'blue')",
    ),
    (
        (*DATASET, "classes"),
        {"classes": [RED, BLUE], "nodata": [2]},
        "values are both a class and no data: [2]",
    ),
]


@pytest.mark.parametrize(("path", "value", "expected"), CASES, ids=lambda item: str(item)[:40])
def test_one_fault_gives_one_line(path, value, expected):
    lines = problems_of((path, value))
    assert len(lines) == 1, lines
    assert expected in lines[0]


def test_dates_of_a_world_are_known_without_simulating_it():
    assert WORLD_DATES == DATES


def test_a_class_may_be_called_no_data():
    table = ClassTable(classes=[{**RED, "name": "no data"}, BLUE], nodata=[0])
    assert table.id_of("no data") == 1 and table.id_of("b") == 2 and table.id_of("c") is None


@pytest.mark.parametrize(("name", "last"), [("a b.shp", "a b.prj"), ("A.SHP", "A.PRJ")])
def test_parts_of_a_shapefile_are_read_with_it(name, last):
    paths = MaskSource(vector=name).paths()
    assert paths[0] == name and paths[-1] == last and len(paths) == 4


def test_every_fault_is_shown_at_once():
    lines = problems_of(
        (("sed",), 1),
        (("worlds", "w", "width_km"), "wide"),
        ((*DATASET, "tiles", "siezs"), [64]),
        ((*EXPERIMENT, "train", "epochs"), 0),
        (("landcover", "experiments", "f"), {"datasets": ["dd"], "recipe": "none"}),
    )
    found = {line.partition(":")[0] for line in lines}
    assert found == {
        "sed",
        "worlds.w.width_km",
        "landcover.datasets.d.tiles.siezs",
        "landcover.experiments.e.train.epochs",
        "landcover.experiments.f.recipe",
        "landcover.experiments.f.datasets",
    }


def test_error_reads_well_and_crosses_process_borders():
    error = ConfigError(["a: b", "c: d"])
    assert str(error) == "the configuration has 2 problems:\n  - a: b\n  - c: d"
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


@pytest.mark.parametrize("raw", [None, [], "text"])
def test_not_a_mapping(raw):
    with pytest.raises(ConfigError, match="must be keys and values"):
        load_config(raw)


def test_nothing_given_is_valid():
    config = load_config({})
    assert config.seed == 0 and not config.landcover.datasets


def test_model_without_name_or_recipe():
    raw = plain()
    del raw["landcover"]["experiments"]["e"]["recipe"]
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    (line,) = caught.value.problems
    assert "e.model.name: this key is required (there are: 'unet'," in line


def test_environment_variables(monkeypatch):
    monkeypatch.setenv("IMAGES", "/images")
    monkeypatch.delenv("LABELS", raising=False)
    scene = {"dates": {"a": {"file": "${IMAGES}/x.tif"}}, "mask": {"file": "m.tif"}}
    raw = plain()
    put(raw, SCENE, scene)
    config = load_config(raw)
    assert config.landcover.datasets["d"].scenes["s"].dates["a"].paths() == ["/images/x.tif"]
    assert raw["landcover"]["datasets"]["d"]["scenes"]["s"] is scene  # the input is not changed
    (line,) = problems_of((SCENE, {**scene, "mask": {"file": "${LABELS}/m.tif"}}))
    assert "scenes.s.mask.file: the environment variable LABELS is not set" in line


def test_a_password_in_an_address_is_refused_and_not_shown(monkeypatch):
    monkeypatch.setenv("ARCHIVE", "https://me:hidden@host")
    file = {"file": "${ARCHIVE}/a.tif"}
    scenes = {"home": {"role": "predict", "dates": {"june": file}}}
    dataset = {"bands": ["B02"], "scenes": scenes}
    with pytest.raises(ConfigError) as caught:
        load_config({"landcover": {"datasets": {"d": dataset}}})
    told = str(caught.value)
    assert "landcover.datasets.d.scenes.home.dates.june.file" in told and "netrc" in told
    assert "hidden" not in told


@pytest.mark.parametrize(
    ("recipe", "model"),
    [
        ("unet_resnet50", UNetNoSkip(weights="imagenet")),
        ("unet_resnet50_skip", UNet(weights="imagenet")),
        ("unet_scratch", UNetScratch(width=64, depth=4)),
        ("random_forest", RandomForest()),
    ],
)
def test_every_recipe_stands_alone(recipe, model):
    raw = plain()
    raw["landcover"]["experiments"]["e"] = {"datasets": ["d"], "recipe": recipe}
    assert load_config(raw).landcover.experiments["e"].model == model


def test_no_recipe_is_untested():
    assert set(RECIPES) >= {"unet_resnet50", "unet_resnet50_skip", "unet_scratch", "random_forest"}


def test_own_values_stand_over_the_recipe():
    raw = plain()
    put(raw, (*EXPERIMENT, "train"), {"epochs": 3, "optimizer": {"learning_rate": 0.01}})
    before = copy.deepcopy(RECIPES)
    experiment = load_config(raw).landcover.experiments["e"]
    assert isinstance(experiment.model, UNet)
    assert experiment.model.encoder == "resnet18" and experiment.model.weights == "imagenet"
    assert experiment.train.epochs == 3 and experiment.train.batch_size == 12
    assert experiment.train.optimizer.name == "adam"
    assert experiment.train.optimizer.learning_rate == 0.01
    assert before == RECIPES


def test_model_of_another_name_replaces_the_whole_section():
    merged = merge({"name": "unet", "encoder": "resnet50"}, {"name": "random_forest", "trees": 3})
    assert merged == {"name": "random_forest", "trees": 3}


def test_recipe_rare_classes_mean_nothing_to_another_table():
    raw = plain()
    put(raw, (*DATASET, "classes"), {"classes": [RED, BLUE]})
    assert load_config(raw).landcover.datasets["d"].table.names == ["no data", "a", "b"]


def test_class_table_lookup():
    table = CATALONIA.lookup()
    assert table.shape == (256,) and str(table.dtype) == "uint8"
    assert table[:13].tolist() == list(range(13))
    assert set(table[13:].tolist()) == {255}
    own = ClassTable.model_validate(
        {"classes": [{**RED, "value": 40}, {**BLUE, "value": 7}], "nodata": [0, 255]}
    )
    assert own.lookup()[[40, 7, 0, 255, 1]].tolist() == [1, 2, 0, 0, 255]
    assert own.id_of("b") == 2 and own.id_of("no data") is None


def test_default_configuration_is_valid():
    config = load_config(yaml.safe_load((ROOT / "config.yaml").read_text()))
    assert config.landcover.datasets and config.landcover.experiments


def test_own_recipes_of_buildings_look_at_outlines_and_differ_in_the_encoder():
    given = {
        name: {"recipe": name, "datasets": ["d"]}
        for name in ("nadir_buildings", "nadir_buildings_pretrained", "unet_small")
    }
    sources = {"towns": {"kind": "inria", "folder": "anywhere"}}
    section = {"datasets": {"d": {"sources": sources}}, "experiments": given}
    job = load_config({"buildings": section}, look=False).buildings
    own, pretrained, seed = (job.experiments[name] for name in given)
    for experiment in (own, pretrained):
        assert experiment.train.loss.uses_outlines and experiment.train.loss.border_weight == 1
    assert not seed.train.loss.uses_outlines
    assert (own.model.name, pretrained.model.weights) == ("unet_scratch", "imagenet")
    assert own.predict == pretrained.predict
