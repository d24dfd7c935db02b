"""Dask clusters: the bytes of threads, whoever dies; errors that say what to do."""

from __future__ import annotations

import os
import socket

import numpy as np
import pytest
from dask_work import Deadly, Table, die, square, unknown

from nadir.config.classes import CATALONIA
from nadir.config.document import ComputeConfig
from nadir.config.scenes import CubeConfig, ImageSource, LabelConfig
from nadir.errors import InputError
from nadir.raster import cluster
from nadir.raster.blocks import run_blocks
from nadir.raster.cube import build_cube
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.raster.masks import RasterMask
from nadir.raster.outlines import trace_outlines
from nadir.raster.sources import open_source

BANDS = ("B02", "B03", "B04")


def files_below(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_cluster_of_processes_makes_the_bytes_of_threads_though_a_worker_is_killed(
    tmp_path, write_raster
):
    values = np.random.default_rng(0).integers(1000, 6000, (3, 700, 600)).astype(np.uint16)
    path = write_raster("image.tif", values, resolution=10, bands=BANDS)
    source = open_source(ImageSource(file=str(path), baseline="05.10"), BANDS)
    cfg = CubeConfig(chunk=128, shard=256)
    image = Deadly(source, os.getpid(), tmp_path / "killed")
    made = []
    for name, scheduler in (("threads", None), ("cluster", "local:2")):
        (tmp_path / name).mkdir()
        manifest = tmp_path / name / "cube.manifest.json"
        build_cube([("may", image)], None, manifest, cfg, {}, 2, scheduler)
        made.append(files_below(tmp_path / name))
    assert image.mark.exists()
    assert made[0] == made[1]
    assert len(made[0]) > 9


def test_labels_and_outlines_are_those_of_threads(tmp_path, write_raster):
    from distributed import LocalCluster

    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 4, (60, 55)).astype(np.uint8)
    mask = RasterMask(str(write_raster("mask.tif", np.kron(coarse, np.ones((50, 40), np.uint8)))))
    grid = Grid(mask.grid.crs, (5.0, 0.0, *mask.grid.transform[2:4], -5.0, mask.grid.transform[5]),
                600, 440)  # fmt: skip
    small = CubeConfig(chunk=256, shard=256)
    made = []
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as ours:
        for name, scheduler in (("threads", None), ("cluster", ours.scheduler_address)):
            at = tmp_path / name / "labels.manifest.json"
            at.parent.mkdir()
            cfg = LabelConfig(rule="weighted", smoothing=1)
            align_labels(mask, grid, CATALONIA, cfg, at, {}, small, 2, scheduler)
            outline = at.with_name("outline.manifest.json")
            trace_outlines(open_labels(at), 2, outline, small, None, 2, scheduler)
            made.append(files_below(tmp_path / name))
    assert made[0] == made[1]
    assert len(made[0]) > 12


@pytest.mark.slow
def test_a_cluster_that_is_there_and_a_block_that_kills_every_worker(monkeypatch):
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, memory_limit=None
    ) as ours:
        address = ours.scheduler_address
        assert run_blocks(square, range(40), scheduler=address) == [n * n for n in range(40)]
        assert run_blocks(Table(), range(9), scheduler=address) == list(range(9))
        with pytest.raises(ModuleNotFoundError, match="of_nobody"):  # Dask's own way would hang
            run_blocks(unknown(), [1], scheduler=address)
        with pytest.raises(InputError, match="each worker that took on one block died") as caught:
            run_blocks(die, [1], scheduler=address)
        assert "memory" in caught.value.remedy
        assert run_blocks(square, [3], scheduler=address) == [9]  # the cluster has new ones


def test_no_scheduler_and_no_workers(monkeypatch):
    from distributed import LocalCluster

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    monkeypatch.setattr(cluster, "_FIRST_WORKER", 0.3)
    with pytest.raises(InputError, match=r"compute\.scheduler: .* cannot be reached"):
        run_blocks(square, [1], scheduler=f"tcp://127.0.0.1:{port}")
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None, protocol="tcp") as none,
        pytest.raises(InputError, match="has no workers"),
    ):
        run_blocks(square, [1], scheduler=none.scheduler_address)


@pytest.mark.parametrize(
    "good", [None, "local", "local:4", "tcp://a.b:8786", "host:1", "tls://[::1]:8"]
)
def test_addresses_that_may_be_configured(good):
    assert ComputeConfig(scheduler=good).scheduler == good


@pytest.mark.parametrize("bad", ["", "locally", "local:0x", "host", "tcp://a b:1"])
def test_addresses_that_may_not(bad):
    with pytest.raises(ValueError, match="pattern"):
        ComputeConfig(scheduler=bad)
