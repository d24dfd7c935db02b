"""The default world through the whole land-cover graph on SLURM, as on one machine."""

from __future__ import annotations

import hashlib
import logging
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from bench import REPOSITORY, Bench
from cluster_bench import ClusterBench
from slurm_here import Slurm

log = logging.getLogger(__name__)

pytestmark = [pytest.mark.rules, pytest.mark.slow]

WITH_TIMES = {"card.json", "history.parquet"}
"""What tells how long the work took differs between runs, and says so by its name."""


def land_cover() -> dict[str, Any]:
    """Return the default configuration's land cover, each network trained for one epoch only."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    for experiment in config["landcover"]["experiments"].values():
        if experiment.get("recipe") != "random_forest":
            experiment.setdefault("train", {})["epochs"] = 1
    return {key: config[key] for key in ("seed", "worlds", "landcover")}


def products(folder: Path) -> dict[str, str]:
    """Return every file of the results that tells no times, Zarr stores included -> digest."""
    found = {}
    for path in sorted((folder / "results/landcover").rglob("*")):
        if path.is_file() and path.name not in WITH_TIMES and "tensorboard" not in path.parts:
            name = str(path.relative_to(folder / "results"))
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def test_the_default_world_gives_on_slurm_what_it_gives_here(
    slurm: Slurm, clusters_folder: Path
) -> None:
    alone = Bench(_folder(clusters_folder / "alone"), land_cover())
    spread = ClusterBench(clusters_folder / "spread", land_cover(), slurm)
    others = slurm.jobs().keys()  # of other tests, which let jobs fail
    start = time.monotonic()
    done = spread.snakemake("landcover", timeout=3600)
    middle = time.monotonic()
    alone.snakemake("landcover", timeout=3600)
    end = time.monotonic()
    jobs = {number: job for number, job in slurm.jobs().items() if number not in others}
    took = "SLURM: %.0f s, %d jobs; one machine: %.0f s"
    log.info(took, middle - start, len(jobs), end - middle)
    assert {state for state, _ in jobs.values()} == {"COMPLETED"}
    assert "100%" in done.stdout + done.stderr
    # Rules that follow each other share jobs.
    assert len(jobs) < len(list((spread.folder / "results/logs").glob("*/*.log"))) / 2
    one, other = products(alone.folder), products(spread.folder)
    assert one.keys() == other.keys() and len(one) > 100
    assert sum(name.endswith("/map.tif") for name in one) == 5
    assert {name for name in one if one[name] != other[name]} == set()


def _folder(path: Path) -> Path:
    """Return an empty folder with the profile that Snakemake finds by itself."""
    shutil.copytree(REPOSITORY / "profiles/default", path / "profiles/default")
    return path
