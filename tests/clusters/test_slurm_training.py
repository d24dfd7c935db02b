"""One training on two nodes: the command in a job of SLURM, and the losses of one process."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from bench import REPOSITORY
from cluster_bench import ClusterBench, wait_until
from slurm_here import Nodes, Slurm

from nadir.learn.history import read_history

sys.path.insert(0, str(REPOSITORY / "tests/unit/learn"))
import trainings_in_groups as trainings

pytestmark = pytest.mark.slow

TOLERANCE = 2e-5


def _command(folder: Path) -> list[str]:
    """Return the words that train a small network of retrieval in a folder."""
    network = trainings.NETWORK.model_dump(mode="json")
    train = trainings.RETRIEVAL.model_dump(mode="json")
    cfg = {"seed": 5, "views": trainings.VIEWS, "upright": False, "model": network, "train": train}
    words = [sys.executable, "-m", "nadir", "train-retrieval", "--cfg", json.dumps(cfg)]
    words += ["--images", str(folder / "images/images.parquet"), "--threads", "2"]
    words += ["--out", str(folder / "results/retrieval/model/model.safetensors")]
    return [*words, "--history", str(folder / "results/retrieval/history.parquet")]


def test_two_nodes_train_as_one_process(
    slurm_programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainings.make_images(tmp_path / "images")
    trainings.train("retrieval", tmp_path / "images", tmp_path / "alone")
    script, log = tmp_path / "job.sh", tmp_path / "job.log"
    script.write_text(f"#!/bin/sh\n{shlex.join(_command(tmp_path))}\n")
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY / "workflow"))
    monkeypatch.setenv("NADIR_NODES", "2")
    monkeypatch.setenv("NADIR_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    with Slurm(Nodes(count=2)) as cluster:
        size = ["--nodes=2", "--ntasks=2", "--cpus-per-task=2", "--time=10"]
        number = int(cluster.run("sbatch", "--parsable", *size, f"--output={log}", str(script)))
        ended = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT")
        wait_until(
            lambda: cluster.jobs()[number][0] in ended, "the training", 500, lambda: log.read_text()
        )
        nodes = cluster.run("squeue", "--noheader", "--states=all", "--format=%N").split()
    said = log.read_text()
    assert "2 processes train together: srun" in said, said
    assert "delivered" in said, said
    assert nodes == ["n[1-2]"]
    wanted = read_history(tmp_path / "alone/made/history.parquet")
    found = read_history(tmp_path / "results/retrieval/history.parquet")
    for name in ("train_loss", "validation_loss"):
        assert found[name].tolist() == pytest.approx(wanted[name].tolist(), rel=TOLERANCE)


@pytest.mark.rules
def test_the_graph_asks_for_two_nodes(slurm_programs: None, tmp_path: Path) -> None:
    """The rule's resources, as Snakemake's executor for SLURM understands them."""
    model = {"name": "shared_encoder", "width": 4, "dimensions": 8, "size": 32}
    train = {"epochs": 2, "batch_size": 4, "monitor": "epoch"}
    network = {"datasets": ["places"], "model": model, "train": train}
    config = {
        "retrieval": {
            "datasets": {"places": {"folder": "raw", "layout": "flat", "validation": 0}},
            "experiments": {"net": network},
        },
        "compute": {"device": "cpu", "nodes": 2},
    }
    with Slurm(Nodes(count=2)) as cluster:
        bench = ClusterBench(tmp_path / "bench", config, cluster)
        trainings.make_images(bench.folder / "raw")
        bench.snakemake("results/retrieval/places/net/model/model.safetensors")
        nodes = cluster.run("squeue", "--noheader", "--states=all", "--format=%N").split()
    assert "n[1-2]" in nodes
    said = (bench.folder / "results/logs/train_retrieval/places.net.log").read_text()
    assert "2 processes train together: srun" in said and "epoch 2/2" in said, said
