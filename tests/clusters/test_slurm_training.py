"""One training on two nodes: by the command and by the graph, with the losses of one process."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from bench import REPOSITORY, Bench
from cluster_bench import ClusterBench, wait_until
from raw import BANDS, CLASSES, write_scene
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
    compare(tmp_path / "results/retrieval/history.parquet", tmp_path / "alone/made/history.parquet")


def compare(found: Path, wanted: Path) -> None:
    """See that two trainings had the same losses."""
    histories = read_history(found), read_history(wanted)
    for name in ("train_loss", "validation_loss"):
        one, other = (history[name].tolist() for history in histories)
        assert len(one) > 1 and one == pytest.approx(other, rel=TOLERANCE)


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


@pytest.mark.rules
def test_the_graph_trains_land_cover_on_two_nodes_as_in_one_process(
    slurm_programs: None, tmp_path: Path
) -> None:
    scenes = {"a": write_scene(tmp_path / "raw", 0, 300000)}
    dataset = {"classes": CLASSES, "bands": BANDS, "scenes": scenes, "tiles": {"sizes": [16]}}
    dataset["split"] = {"method": "blocks", "block": 2}
    train = {"epochs": 3, "batch_size": 5, "precision": "32", "augment": {"dihedral": "random"}}
    network = {"datasets": ["d"], "model": {"name": "unet_scratch", "width": 4, "depth": 2}}
    job = {"datasets": {"d": dataset}, "experiments": {"u": network | {"train": train}}}
    config = {"landcover": job, "compute": {"device": "cpu"}}
    history = "results/landcover/d/u/history.parquet"
    (tmp_path / "alone").mkdir()
    alone = Bench(tmp_path / "alone", config)
    alone.snakemake(history)
    with Slurm(Nodes(count=2)) as cluster:
        config["compute"]["nodes"] = 2
        bench = ClusterBench(tmp_path / "spread", config, cluster)
        bench.snakemake(history)
    said = (bench.folder / "results/logs/train_model/landcover.d.u.log").read_text()
    assert "2 processes train together: srun" in said, said
    compare(bench.folder / history, alone.folder / history)
