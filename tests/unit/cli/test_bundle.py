"""`nadir export-bundle` and `nadir bundle check`, as people call them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nadir.cli.main import main
from nadir.learn.bundle import save_bundle
from nadir.localization.descriptor import Descriptor

SAID = {
    "task": "localization descriptor",
    "network": {"channels": 4, "width": 8},
    "cell_px": 16,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A bundle that `export-bundle` has completed; not to be changed."""
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    weights = {name: value.numpy() for name, value in Descriptor(4, 8).state_dict().items()}
    save_bundle(path, SAID, weights)
    words = ["--model", f"{path}/model.safetensors", "--out", f"{path}/item.json"]
    assert main(["export-bundle", *words, "--threads", "1"]) == 0
    return path


def check(capsys, *folders):
    """Return exit code and printed lines of a check."""
    try:
        code = main(["bundle", "check", *map(str, folders)])
    except SystemExit as exit_:
        code = exit_.code
    return code, capsys.readouterr().out.splitlines()


def test_an_exported_bundle_is_sound(folder, capsys):
    code, lines = check(capsys, folder)
    assert code == 0 and lines[0] == f"{folder}: sound"
    assert [line.split()[1] for line in lines[1:7]] == ["ok"] * 6


def test_faults_of_any_folder_are_told_with_exit_code_1(folder, tmp_path, capsys):
    save_bundle(tmp_path / "other", {"task": "divination"}, {"a": np.zeros(1, np.float32)})
    code, lines = check(capsys, tmp_path / "nowhere", folder, tmp_path / "other")
    assert code == 1
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads[0].endswith("nowhere: 1 fault") and heads[1].endswith(": sound")
    text = "\n".join(lines)
    assert "there is no such folder" in text
    assert "models for 'divination' are not known here" in text


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--out", "{0}/elsewhere.json"], "beside its weights"),
        (["--out", "{0}/item.json", "--split", "split.parquet"], "goes with --cubes"),
        (["--out", "{0}/item.json", "--case", "nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_options_are_told_before_any_work(folder, capsys, words, text):
    before = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    given = [word.format(folder) for word in words]
    assert main(["export-bundle", "--model", f"{folder}/model.safetensors", *given]) == 2
    assert text in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in Path(folder).iterdir()} == before


def test_the_check_does_not_need_the_training_code():
    """An edit of the check exports nothing again, nor does an edit of an export train again."""
    from nadir.provenance.code import code_modules

    export = code_modules("nadir.cli.export_bundle")
    assert "nadir.learn.export_check" not in export
    for trains in ("train_model", "train_descriptor", "train_regression", "fit_forest"):
        assert not any("export" in name for name in code_modules(f"nadir.cli.{trains}")), trains
    assert sys.modules["nadir.learn.export_check"]
