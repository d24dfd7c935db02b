"""The graph of a search: workers that are killed, the best experiment, more trials later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import pytest
import yaml
from bench import Bench

pytestmark = [pytest.mark.rules, pytest.mark.slow]

CONFIG = {
    "worlds": {"valley": {"seed": 1, "width_km": 2.56, "height_km": 2.56}},
    "landcover": {
        "datasets": {
            "valley": {
                "scenes": {"valley": {"world": "valley"}},
                "tiles": {"sizes": [32], "overlap": 0.5},
                "split": {"block": 2},
            }
        },
        "experiments": {
            "own": {
                "recipe": "nadir_landcover",
                "datasets": ["valley"],
                "model": {"width": 4, "depth": 2},
                "train": {"epochs": 6, "augment": {"crops": 32, "crop": 32}},
            }
        },
        "searches": {
            "rate": {
                "experiment": "own",
                "trials": 4,
                "workers": 2,
                "pruner": {"name": "none"},
                "space": {
                    "train.optimizer.learning_rate": {
                        "kind": "float",
                        "low": 1e-4,
                        "high": 1e-2,
                        "log": True,
                    }
                },
            }
        },
    },
}
FOLDER = "results/landcover/valley/searches/rate"


def journal(bench):
    """The lines of the search's journal so far."""
    paths = list((bench.folder / "results/.cache/search").glob("*/journal.log"))
    return paths[0].read_text().splitlines() if paths else []


def kill_in_mid_trial(bench):
    """Run the search; kill it and all its jobs once a second trial is half-way."""
    run = subprocess.Popen(
        bench.command("tune"),
        cwd=bench.folder,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            ops = [json.loads(line) for line in journal(bench) if line.endswith("}")]
            if any(op["op_code"] == 7 and op["trial_id"] == 1 and op["step"] > 5 for op in ops):
                return
            assert run.poll() is None, "the search ended before it was killed"
            time.sleep(0.1)
        pytest.fail("no second trial")
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def test_a_search_that_is_killed_ends_with_the_trials_that_were_asked_for(rules_folder):
    folder = rules_folder / "tune"
    folder.mkdir()
    bench = Bench(folder, CONFIG)
    kill_in_mid_trial(bench)
    bench.snakemake("--unlock", check=False)
    bench.run("tune")
    found = json.loads((bench.folder / FOLDER / "search.json").read_text())
    assert [row["state"] for row in found["trials"]] == ["complete"] * 4
    assert all(row["epochs"] == 6 for row in found["trials"])
    assert found["own"] == 0 and (bench.folder / FOLDER / "search.png").is_file()
    assert bench.run("tune") == set()

    best = yaml.safe_load((bench.folder / FOLDER / "best.yaml").read_text())
    experiment = best["landcover"]["experiments"]["rate_best"]
    bench.config["landcover"]["experiments"]["rate_best"] = experiment
    bench.config["landcover"]["searches"]["rate"]["trials"] = 5
    bench.write_config()
    card = "results/landcover/valley/rate_best/model/card.json"
    bench.run(card)
    log = bench.log("train_model:landcover.valley.rate_best")
    assert "done before" in log and found["best"]["training"] in log
    bench.run("tune")
    more = json.loads((bench.folder / FOLDER / "search.json").read_text())
    assert more["trials"][:4] == found["trials"] and len(more["trials"]) == 5
