"""Errors say where, what and what to do, and survive the way out of another process."""

import pickle

import pytest

from nadir.errors import ConfigError, InputError, NadirError, OutputError, did_you_mean, nearest


@pytest.mark.parametrize("kind", [InputError, OutputError])
def test_place_problem_and_remedy(kind, tmp_path):
    error = kind(tmp_path / "x.tif", "there is no such file", "Check the path.")
    assert str(error) == f"{tmp_path / 'x.tif'}: there is no such file. Check the path."
    assert isinstance(error, NadirError)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (again.file, again.problem, again.remedy) == (error.file, error.problem, error.remedy)


def test_a_question_has_no_full_stop():
    error = InputError("model.encoder", "no encoder 'a'; did you mean 'b'?", "Give b.")
    assert str(error) == "model.encoder: no encoder 'a'; did you mean 'b'? Give b."


def test_configuration_of_one_problem():
    assert str(ConfigError(["a: b"])) == "the configuration has 1 problem:\n  - a: b"


def test_nearest_name():
    assert nearest("unett", ["unet", "random_forest"]) == "unet"
    assert nearest("zzz", ["unet", "random_forest"]) is None
    assert did_you_mean("unett", {"unet": 1}) == "; did you mean 'unet'?"
    assert did_you_mean("zzz", ["unet"]) == "" == did_you_mean("x", [])
