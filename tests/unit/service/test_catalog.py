import json

import numpy as np
import pytest
from segment_fakes import TILE, save_network

from nadir.cli.main import main
from nadir.errors import InputError
from nadir.service.catalog import find_model, level_of, load_models, parse_bundle
from nadir.service.layers import (
    Legend,
    class_pixels,
    histogram,
    levels_of_percent,
)
from nadir.service.models import local_bundle
from nadir.service.problems import Problem


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("results/buildings/town/nadir_buildings/model", "nadir_buildings"),
        ("results/buildings/town/nadir_buildings/model/", "nadir_buildings"),
        ("some/where", "where"),
        ("s3://bucket/models/roofs", "roofs"),
        ("s3://bucket/models/roofs/model", "roofs"),
    ],
)
def test_bundles_are_called_like_their_experiment(argument, name):
    assert parse_bundle(argument) == (name, argument)


def test_names_may_be_given():
    assert parse_bundle("roofs=/a b/c=d") == ("roofs", "/a b/c=d")
    assert parse_bundle("old=s3://bucket/model") == ("old", "s3://bucket/model")
    with pytest.raises(InputError, match="no name"):
        parse_bundle("some/strange name")


def test_relative_folders_are_called_like_their_experiment(tmp_path, monkeypatch):
    (tmp_path / "town" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "town")
    assert parse_bundle("model")[0] == "town"
    assert parse_bundle("./model")[0] == "town"
    monkeypatch.chdir(tmp_path / "town" / "model")
    assert parse_bundle(".")[0] == "town"


def test_two_of_one_name_are_refused_before_they_are_loaded(tmp_path):
    with pytest.raises(InputError, match="this name"):
        load_models([f"a={tmp_path}", f"a={tmp_path}"])


@pytest.mark.parametrize("text", ["{}", "[]", "nonsense", '{"threshold": 2}', '{"threshold": "x"}'])
def test_faulty_thresholds_are_refused(tmp_path, text):
    folder = save_network(tmp_path / "town" / "model")
    (tmp_path / "town" / "threshold.json").write_text(text)
    with pytest.raises(InputError, match="threshold"):
        load_models([str(folder)])


def test_settings_of_prediction_come_with_the_threshold(tmp_path):
    folder = save_network(tmp_path / "town" / "model")
    facts = {"threshold": 0.4, "predict": {"overlap": 0.25, "tta": "flips"}}
    (tmp_path / "town" / "threshold.json").write_text(json.dumps(facts))
    (model,) = load_models([str(folder)])
    assert model.name == "town" and model.threshold == 0.4
    assert model.settings.overlap == 0.25
    assert model.settings.batch_size == model.batch == model.predictor.group(TILE, TILE) > 1
    raw = np.random.default_rng(0).integers(0, 255, (1, 1, 3, 64, 64)).astype(np.uint16)
    valid = np.ones((1, 1, 64, 64), bool)
    turned = model.windows(raw[..., ::-1].copy(), valid, [1 / 255], [0.0])[..., ::-1]
    np.testing.assert_allclose(model.windows(raw, valid, [1 / 255], [0.0]), turned, atol=1e-5)


def test_unknown_models_are_told_the_nearest():
    models = {"roofs": "first", "cover": "second"}
    assert find_model(models, None) == "first" and find_model(models, "cover") == "second"
    with pytest.raises(Problem, match="did you mean 'cover'"):
        find_model(models, "covers")


def test_levels():
    assert [level_of(value) for value in (0.0, 0.001, 0.5, 0.998, 1.0)] == [1, 1, 125, 250, 250]
    percent = np.array([[0, 1, 50, 99, 100, 255]], np.uint8)
    np.testing.assert_array_equal(levels_of_percent(percent), [[0, 3, 125, 248, 250, 255]])


def test_counts_are_those_of_the_pixels():
    from segment_fakes import COVER, TABLE

    rng = np.random.default_rng(3)
    levels = rng.integers(0, 251, (40, 50)).astype(np.uint8)
    levels[:5] = 255
    binary = Legend(TABLE, 2)
    classes = rng.integers(1, 4, (40, 50)).astype(np.uint8)
    classes[:5] = 0
    many = Legend(COVER, None)
    for level in (1, 125, 250):
        ids = binary.ids(levels, None, level)
        counts = class_pixels(binary, histogram(levels, None, 2), level)
        assert counts == {1: int((ids == 1).sum()), 2: int((ids == 2).sum())}
        assert (ids == 0).sum() == 250
        ids = many.ids(levels, classes, level)
        counts = class_pixels(many, histogram(levels, classes, 3), level)
        assert counts == {number: int((ids == number).sum()) for number in (1, 2, 3)}


def test_a_published_bundle_takes_its_threshold_along(tmp_path, store, capsys):
    folder = save_network(tmp_path / "experiment" / "model")
    beside = tmp_path / "experiment" / "threshold.json"
    beside.write_text(json.dumps({"threshold": 0.37, "predict": {"tta": "flips"}}))
    assert main(["publish", str(folder), "s3://data/models/roofs"]) == 0
    (model,) = load_models(["roofs=s3://data/models/roofs"])
    assert (model.threshold, model.predict.tta) == (0.37, "flips")
    assert not (folder / "threshold.json").exists(), "what is published stays as it is"
    copy = local_bundle("s3://data/models/roofs")
    capsys.readouterr()
    with pytest.raises(SystemExit):  # it was never exported
        main(["bundle", "check", str(copy)])
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "threshold.json" in line]
    assert line.split()[1] == "ok" and "0.37" in line
    (copy / "threshold.json").write_text('{"threshold": 7}')
    with pytest.raises(SystemExit):
        main(["bundle", "check", str(copy)])
    assert "threshold.json" in (out := capsys.readouterr().out) and "7.0 is not from 0 to 1" in out
