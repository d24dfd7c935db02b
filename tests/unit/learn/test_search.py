"""Searches of hyper-parameters: shared trials, workers that die, journals that are torn."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from nadir.config.experiments import ExperimentConfig
from nadir.config.searches import SearchConfig
from nadir.errors import InputError
from nadir.learn import search as search_module
from nadir.learn.figures_search import draw_search
from nadir.learn.search import TrialOutcome, work_on
from nadir.learn.search_results import best_overlay, search_facts
from nadir.learn.search_store import STEPS, SearchStore, first_values, values_of
from nadir.provenance import lease as lease_module

PACKAGE = Path(search_module.__file__).parents[2]
RATE, WIDTH, LOSS = "train.optimizer.learning_rate", "model.width", "train.loss"
SPACE = {
    RATE: {"kind": "float", "low": 1e-4, "high": 1e-1, "log": True},
    WIDTH: {"kind": "int", "low": 4, "high": 32, "step": 4},
    LOSS: {"kind": "categorical", "choices": [{"smoothing": 0.1}, {"smoothing": 0.0}]},
}
BASE = ExperimentConfig.model_validate(
    {"datasets": ["valley"], "model": {"name": "unet_scratch", "width": 8}}
)
WORKER = """
import json, sys, time
from pathlib import Path
from nadir.config.searches import SearchConfig
from nadir.learn.search import TrialOutcome, work_on
from nadir.learn.search_store import SearchStore

cfg = SearchConfig.model_validate(json.loads(sys.argv[2]))
slow = int(sys.argv[3])
store = SearchStore(Path(sys.argv[1]), cfg, None)

def objective(values, report):
    number = store.finished()
    for part in range(1, 11):
        if number == slow and part == 6:
            print("midway", json.dumps(values), flush=True)
            time.sleep(60)
        time.sleep(0.005)
        report(part / 10, values["model.width"])
    return TrialOutcome(values["model.width"])

print("done", json.dumps(work_on(store, objective)), flush=True)
"""


def config(**changes):
    return SearchConfig.model_validate({"experiment": "own", "space": SPACE, "trials": 6} | changes)


def score(values):
    """A smooth hill: the best rate is 0.01, the best width 20."""
    return -((math.log10(values[RATE]) + 2) ** 2) - abs(values[WIDTH] - 20) / 10


def hill(values, report):
    for part in range(1, 11):
        report(part / 10, score(values) * (2 - part / 10))
    return TrialOutcome(score(values), {"epochs": 10})


def top(values, report):
    return TrialOutcome(score(values))


def start(folder, cfg, slow):
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), cfg.model_dump_json(), str(slow)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
    )


def states(store):
    return [trial.state.name for trial in store.study.get_trials()]


def test_trials_are_counted_exactly_and_more_can_be_asked_for(tmp_path):
    store = SearchStore(tmp_path, config(), None)
    assert work_on(store, hill) == [0, 1, 2, 3, 4, 5]
    assert work_on(SearchStore(tmp_path, config(), None), hill) == []
    assert work_on(SearchStore(tmp_path, config(trials=8), None), hill) == [6, 7]


def test_a_search_is_a_function_of_its_seed(tmp_path):
    found = []
    for name, seed, cut in (("a", 1, 13), ("b", 1, 5), ("c", 2, 13)):
        # One goes on after a break, in a new process so to say.
        for trials in (cut, 13):
            store = SearchStore(tmp_path / name, config(seed=seed, trials=trials), None)
            work_on(store, top)
        found.append([trial.params for trial in store.study.get_trials()])
    assert found[0] == found[1] != found[2]


def test_own_values_come_first_where_they_lie_in_the_space(tmp_path):
    cfg = config(trials=1)
    base = BASE.model_dump(mode="json")
    base["train"]["loss"] = {"smoothing": 0.0}
    first = first_values(cfg, base)
    store = SearchStore(tmp_path, cfg, first)
    work_on(store, hill)
    assert values_of(cfg, store.study.get_trials()[0].params) == {
        RATE: 1e-3,
        WIDTH: 8,
        LOSS: {"smoothing": 0.0},
    }
    base["model"]["width"] = 10  # between two steps
    assert first_values(cfg, base) is None
    assert search_facts(store)["own"] == 0


def test_better_values_are_found_than_by_chance(tmp_path):
    store = SearchStore(tmp_path, config(trials=28), None)
    work_on(store, top)
    values = np.array([trial.value for trial in store.study.get_trials()])
    assert values[18:].mean() > values[:10].mean() + 0.5
    facts = search_facts(store)
    assert facts["best"]["score"] == values.max() and facts["pruned"] == 0
    assert abs(sum(facts["importances"].values()) - 1) < 1e-6
    assert facts["importances"][LOSS] < 0.2  # which changes nothing


@pytest.mark.parametrize("pruner", ["median", "halving"])
def test_trials_that_lag_behind_end_early_and_count(tmp_path, pruner):
    cfg = config(trials=20, pruner={"name": pruner, "warmup": 0.3, "startup": 4})
    store = SearchStore(tmp_path, cfg, None)
    work_on(store, hill)
    facts = search_facts(store)
    assert facts["finished"] == 20 and facts["pruned"] >= 5
    early = [row for row in facts["trials"] if row["state"] == "pruned"]
    told = [max(map(int, row["steps"])) for row in early]
    assert min(told) >= 0.3 * STEPS and max(told) < STEPS
    assert all(row["score"] is None for row in early)
    assert max(score(row["values"]) for row in early) < facts["best"]["score"]


def test_a_worker_that_is_killed_loses_nothing(tmp_path):
    cfg = config(trials=5, pruner={"name": "none"})
    dead, alive = start(tmp_path, cfg, 2), None
    try:
        word, _, values = dead.stdout.readline().partition(" ")
        assert word == "midway"
        dead.send_signal(signal.SIGKILL)
        dead.wait()
        store = SearchStore(tmp_path, cfg, None)
        assert states(store) == ["COMPLETE", "COMPLETE", "RUNNING"]
        told = dict(store.study.get_trials()[2].intermediate_values)
        assert max(told) == STEPS // 2
        alive = start(tmp_path, cfg, -1)
        out, _ = alive.communicate(timeout=60)
        assert json.loads(out.partition(" ")[2]) == [2, 3, 4]
    finally:
        for process in (dead, alive):
            if process is not None:
                process.kill()
                process.wait()
                process.stdout.close()
    trials = store.study.get_trials()
    assert [trial.state.name for trial in trials] == ["COMPLETE"] * 5
    assert values_of(cfg, trials[2].params) == json.loads(values)
    assert sorted(trials[2].intermediate_values) == list(range(1, STEPS + 1))
    for line in (tmp_path / "journal.log").read_text().splitlines():
        json.loads(line)


def test_two_workers_share_the_trials(tmp_path):
    cfg = config(trials=12, pruner={"name": "none"})
    workers = [start(tmp_path, cfg, -1) for _ in range(2)]
    done = [json.loads(w.communicate(timeout=60)[0].partition(" ")[2]) for w in workers]
    assert sorted(done[0] + done[1]) == list(range(12))
    assert states(SearchStore(tmp_path, cfg, None)) == ["COMPLETE"] * 12


def test_a_trial_of_a_living_worker_is_left_alone(tmp_path):
    cfg = config(trials=2)
    store = SearchStore(tmp_path, cfg, None)
    other = SearchStore(tmp_path, cfg, None)
    with store.claim() as mine:
        assert mine is not None and not mine.taken_over
        assert work_on(other, hill) == [1]
    with other.claim() as orphan:  # let go without a result
        assert orphan is not None and orphan.taken_over and orphan.trial.number == 0


def test_a_worker_on_another_machine_is_waited_for_until_it_is_known_to_be_dead(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(lease_module, "LAPSE", 0.3)
    monkeypatch.setattr("nadir.learn.search_store._PAUSE", 0.05)
    store = SearchStore(tmp_path, config(trials=1), None)
    with store.claim():
        pass
    far = {"host": "n7", "machine": "other", "pid": 1, "started": "1"}
    (tmp_path / "trials" / "0.lease").write_text(json.dumps(far))
    with store.gate():
        assert store._orphan() == (None, True)
    assert work_on(store, hill) == [0]


def test_a_line_that_a_full_disk_cut_is_dropped(tmp_path):
    cfg = config(trials=4)
    work_on(SearchStore(tmp_path, config(trials=2), None), hill)
    with (tmp_path / "journal.log").open("a") as file:
        file.write('{"op_code":6,"worker_')
    assert work_on(SearchStore(tmp_path, cfg, None), hill) == [2, 3]
    (tmp_path / "journal.log").write_text("no journal\n{}\n")
    with pytest.raises(InputError, match="no readable journal"):
        SearchStore(tmp_path, cfg, None)


def test_trials_that_fail_are_replaced_and_several_in_a_row_end_the_worker(tmp_path):
    calls = []

    def fails_once(values, report):
        calls.append(values)
        if len(calls) == 2:
            raise InputError("model", "too large", "Make it smaller.")
        return hill(values, report)

    store = SearchStore(tmp_path / "a", config(trials=3), None)
    assert work_on(store, fails_once) == [0, 2, 3]
    facts = search_facts(store)
    assert facts["failed"] == 1 and "too large" in facts["trials"][1]["problem"]

    def fails(values, report):
        raise InputError("model", "too large", "Make it smaller.")

    store = SearchStore(tmp_path / "b", config(), None)
    with pytest.raises(InputError, match=r"3 trials in a row failed.*too large"):
        work_on(store, fails)
    with pytest.raises(InputError, match="only 0 of 6"):
        search_facts(store)


def test_a_training_that_diverged_is_no_result(tmp_path):
    store = SearchStore(tmp_path, config(trials=2), None)
    work_on(store, lambda values, report: TrialOutcome(math.nan))
    with pytest.raises(InputError, match="no trial has a score"):
        search_facts(store)


def test_the_best_is_an_experiment_of_its_own(tmp_path):
    cfg = config(trials=8, max_seconds=30)
    store = SearchStore(tmp_path, cfg, None)
    work_on(store, hill)
    facts = search_facts(store)
    made = yaml.safe_load(best_overlay("landcover", "s", cfg, BASE, facts))
    section = made["landcover"]["experiments"]["s_best"]
    experiment = ExperimentConfig.model_validate(section)
    values = facts["best"]["values"]
    assert experiment.train.optimizer.learning_rate == values[RATE]
    assert experiment.model.width == values[WIDTH]
    assert experiment.train.loss.smoothing == values[LOSS]["smoothing"]
    assert experiment.train.max_seconds == 30 and experiment.datasets == ("valley",)
    assert "batch_size" not in section["train"]  # what goes without saying is left out


def test_a_picture_is_drawn(tmp_path):
    cfg = config(trials=9)
    store = SearchStore(tmp_path, cfg, None)
    work_on(store, hill)
    facts = search_facts(store)
    draw_search(facts, cfg, tmp_path / "a.png", "Search")
    draw_search(facts, cfg, tmp_path / "b.png", "Search")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert len(np.unique(np.asarray(Image.open(tmp_path / "a.png").convert("L")))) > 50
    draw_search({**facts, "importances": {}}, cfg, tmp_path / "c.png")
