"""Fixtures of the tests that run the graph on clusters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cloud_bench import clouds_folder
from clouds_here import Clouds
from cluster_bench import executor_folder
from slurm_here import Slurm, missing


@pytest.fixture(scope="session")
def slurm_programs() -> None:
    """Skips where this machine has no SLURM, or Snakemake no executor for it."""
    if lacking := missing():
        pytest.skip(f"no SLURM here (lacking: {', '.join(lacking)}): apt install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons start jobs as root alone does: run these tests as root")
    if executor_folder() is None:
        pytest.skip("Snakemake's executor for SLURM is not installed: make plugins")


@pytest.fixture(scope="session")
def slurm(slurm_programs: None) -> Iterator[Slurm]:
    """A SLURM of one node with two fake GPUs, shared by a session.

    A test that needs another one starts its own: `with Slurm(Nodes(count=2)) as cluster`.
    """
    with Slurm() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def clusters_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for benches, shared by a session."""
    return tmp_path_factory.mktemp("clusters")


@pytest.fixture(scope="module")
def clouds() -> Iterator[Clouds]:
    """A bucket and queues on loopback; skips where Snakemake has no executors for clouds."""
    if clouds_folder() is None:
        pytest.skip("Snakemake's plugins for clouds are not installed: make plugins")
    with Clouds() as server:
        yield server


@pytest.fixture(scope="module")
def clouds_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for a module's benches."""
    return tmp_path_factory.mktemp("clouds")
