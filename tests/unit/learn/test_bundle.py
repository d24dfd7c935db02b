"""Bundles: what is written is read; what does not fit is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.learn.bundle import (
    check_tensors,
    load_bundle,
    load_description,
    read_weights,
    save_bundle,
)

WEIGHTS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array(3, np.int64)}


def test_round_trip_keeps_values_shapes_and_types(tmp_path):
    save_bundle(tmp_path, {"task": "x", "bands": ["B02"]}, WEIGHTS)
    bundle = load_bundle(tmp_path)
    assert bundle.description["bands"] == ["B02"]
    for name, array in WEIGHTS.items():
        assert bundle.weights[name].shape == array.shape
        assert bundle.weights[name].dtype == array.dtype
        np.testing.assert_array_equal(bundle.weights[name], array)


def test_equal_content_gives_equal_bytes(tmp_path):
    for folder, weights in (("one", WEIGHTS), ("two", dict(reversed(WEIGHTS.items())))):
        save_bundle(tmp_path / folder, {"task": "x"}, weights)
    for name in ("model.safetensors", "model.yaml"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_weights_of_another_training_are_refused(tmp_path):
    save_bundle(tmp_path / "one", {"task": "x"}, WEIGHTS)
    save_bundle(tmp_path / "two", {"task": "x"}, {**WEIGHTS, "a": np.array(4, np.int64)})
    (tmp_path / "one/model.safetensors").write_bytes(
        (tmp_path / "two/model.safetensors").read_bytes()
    )
    with pytest.raises(InputError, match=r"not the weights that model\.yaml"):
        load_bundle(tmp_path / "one")


@pytest.mark.parametrize("keep", [0, 5, 40, -3])
def test_a_truncated_file_of_weights_is_refused(tmp_path, keep):
    save_bundle(tmp_path, {"task": "x"}, WEIGHTS)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_bundle(tmp_path)


class _Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def test_a_pickle_is_refused_and_never_run(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match="no readable safetensors"):
        read_weights(path)


def test_yaml_tags_are_not_executed(tmp_path):
    save_bundle(tmp_path, {"task": "x"}, WEIGHTS)
    (tmp_path / "model.yaml").write_text("!!python/object/apply:os.system ['false']")
    with pytest.raises(InputError, match="no readable YAML"):
        load_description(tmp_path)


def test_an_absent_bundle_is_named(tmp_path):
    with pytest.raises(InputError, match=r"model\.yaml: it cannot be read"):
        load_bundle(tmp_path)


def test_differences_between_models_are_named():
    expected = {"stem": (8, 20, 3, 3), "head": (12, 8)}
    given = {"stem": (8, 3, 3, 3), "fc": (10,)}
    with pytest.raises(InputError) as caught:
        check_tensors("w.safetensors", expected, given)
    assert caught.value.file == "w.safetensors"
    for part in ("stem is 8x3x3x3 instead of 8x20x3x3", "head is lacking", "fc is unknown"):
        assert part in caught.value.problem
    check_tensors("w.safetensors", expected, dict(expected))
