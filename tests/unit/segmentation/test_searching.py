"""Trials of a search as trainings: kept by the same keys, gone on with, ended early."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nadir.config.experiments import ExperimentConfig
from nadir.config.searches import SearchConfig
from nadir.errors import InputError
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun
from nadir.learn.search import TrialEnded
from nadir.segmentation.fitting import fit_network
from nadir.segmentation.searching import (
    SearchData,
    TrialTraining,
    search_key,
    trial_experiment,
)
from nadir.segmentation.train import TrainOutputs, train_model

sys.path.insert(0, str(Path(__file__).parent))
from segmentation_fakes import TABLE, write_scenes

NAMES = ("east", "west")
WIDTH, RATE = "model.width", "train.optimizer.learning_rate"
CFG = SearchConfig.model_validate(
    {
        "experiment": "own",
        "space": {
            WIDTH: {"kind": "int", "low": 4, "high": 8},
            RATE: {"kind": "float", "low": 1e-4, "high": 1e-2},
        },
    }
)
BASE = ExperimentConfig.model_validate(
    {
        "datasets": ["d"],
        "model": {"name": "unet_scratch", "width": 4, "depth": 2},
        "train": {"epochs": 3, "batch_size": 4, "monitor": "validation_miou"},
    }
).model_dump(mode="json")
VALUES = {WIDTH: 5, RATE: 2e-3}


@pytest.fixture
def training(tmp_path, monkeypatch):
    """The objective of a search whose stores are in memory."""
    scenes, split, statistics = write_scenes(tmp_path, monkeypatch, NAMES)
    return TrialTraining(
        CFG,
        BASE,
        SearchData(scenes, split, statistics, {}, TABLE),
        TrainingRun(tmp_path / "cache", "abc", seed=1, device="cpu", threads=1),
        tmp_path,
    )


def delivered(training, folder):
    """What the chosen experiment gets: its key, its history, whether it was trained."""
    experiment = trial_experiment(CFG, BASE, VALUES)
    fitted = []

    def fit(*given):
        fitted.append(given)
        return fit_network(*given)

    outputs = TrainOutputs(folder / "model", folder / "history.parquet")
    key = train_model(
        fit,
        training.data.scenes,
        training.data.split,
        training.data.statistics,
        model=experiment.model,
        train=experiment.train,
        table=TABLE,
        outputs=outputs,
        run=training.run,
    )
    weights = (folder / "model" / "model.safetensors").read_bytes()
    return key, read_history(outputs.history), weights, bool(fitted)


def test_the_chosen_one_is_not_trained_again(training, tmp_path):
    told = []
    outcome = training(VALUES, lambda share, value: told.append((share, value)))
    key, history, _, fitted = delivered(training, tmp_path / "out")
    assert key == outcome.facts["training"] and not fitted
    assert outcome.value == history["validation_miou"].max()
    assert [value for _, value in told] == history["validation_miou"].tolist()
    assert [share for share, _ in told] == pytest.approx([1 / 3, 2 / 3, 1])
    assert training(VALUES, None).value == outcome.value  # known: nothing runs, nobody is told
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("tmp")] == []


def test_a_trial_that_was_stopped_goes_on_to_the_same_result(training, tmp_path):
    def stop(share, value):
        if share > 0.5:
            raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        training(VALUES, stop)
    told = []
    outcome = training(VALUES, lambda share, value: told.append(round(share, 3)))
    assert told == [0.333, 0.667, 1.0]  # what was trained before is told first
    _, history, weights, _ = delivered(training, tmp_path / "a")
    assert len(history) == 3
    other = replace(training, run=replace(training.run, cache_root=tmp_path / "other"))
    assert other(VALUES, lambda share, value: None).value == outcome.value
    assert delivered(other, tmp_path / "b")[2] == weights


def test_a_trial_that_is_ended_early_keeps_its_state(training):
    def end(share, value):
        raise TrialEnded

    with pytest.raises(TrialEnded):
        training(VALUES, end)
    states = list(training.run.cache_root.rglob("state.pt"))
    assert len(states) == 1


def test_shares_are_of_the_time_where_that_is_limited(training):
    told = []
    timed = replace(training, cfg=CFG.model_copy(update={"max_seconds": 1e-3}))
    outcome = timed(VALUES, lambda share, value: told.append(share))
    assert told == [1.0] and outcome.facts["epochs"] == 1
    assert not math.isnan(outcome.value)


def test_what_does_not_go_together_is_told_of_the_trial():
    base = {**BASE, "train": {**BASE["train"], "ema": 0.9}}
    with pytest.raises(InputError, match=r"do not go together.*either ema or swa"):
        trial_experiment(CFG, base, {"train.swa": 0.5})


def test_the_key_follows_data_code_and_space_but_not_the_number_of_trials(training):
    digests = training.data.digests()

    def key(cfg=CFG, base=BASE, data=digests, run=training.run):
        return search_key(cfg, base, data, run)

    first = key()
    assert key(cfg=CFG.model_copy(update={"trials": 99, "workers": 9})) == first
    assert key(base={**BASE, "predict": {"tta": "flips"}}) == first
    assert key(cfg=CFG.model_copy(update={"metric": "validation_loss"})) != first
    assert key(base={**BASE, "model": {**BASE["model"], "depth": 3}}) != first
    assert key(data={**digests, "split": "other"}) != first
    assert key(run=replace(training.run, code="x")) != first
