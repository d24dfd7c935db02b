"""Scenes of a catalogue on loopback, through the graph to a cube and its labels."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench import Bench
from stac_server import AREA, BANDS, Server, cog, served, truth_of

from nadir.raster.cube import open_cube

pytestmark = [pytest.mark.slow, pytest.mark.rules]

SCENE = "results/landcover/d/scenes/s"
FETCHED = "results/fetched/landcover/d/s"
MADE = [f"{SCENE}/cube.manifest.json", f"{SCENE}/labels.manifest.json"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served() as state:
        cloud = (slice(40, 90), slice(30, 80))
        state.add_image("cloudy", "2018-04-09", cloud=5, clouds=cloud, baseline="02.07")
        state.add_image("clear", "2018-04-19", cloud=20)
        state.add_image("august", "2018-08-17")
        classes = np.random.default_rng(0).integers(1, 42, (600, 600), np.uint8)
        fine = np.kron(classes, np.ones((5, 5), np.uint8))
        state.files["/cover.tif"] = cog(fine, 1, "EPSG:25831", left=450000.0, top=4599800.0)
        yield state


def config(server: Server, url: str) -> dict[str, Any]:
    fetch = {
        "catalog": {"url": url, "collection": "sentinel-2-l2a"},
        "area": list(AREA),
        "dates": {
            "april": {"start": "2018-04-01", "end": "2018-04-30"},
            "august": {"start": "2018-08-01", "end": "2018-08-31"},
        },
        "mask": {
            "url": f"{server.url}/cover.tif",
            "values": {value: value % 12 + 1 for value in range(1, 42)},
        },
    }
    dataset = {
        "bands": list(BANDS),
        "scenes": {"s": {"fetch": fetch}},
        "tiles": {"sizes": [32]},
        "split": {"method": "random"},
    }
    return {"landcover": {"datasets": {"d": dataset}}}


@pytest.fixture(scope="module")
def bench(rules_folder: Path, server: Server) -> Bench:
    (rules_folder / "fetch").mkdir()
    bench = Bench(rules_folder / "fetch", config(server, server.publish()))
    bench.run(*MADE)
    return bench


def test_the_cube_holds_the_ground(bench):
    cube = open_cube(bench.folder / f"{SCENE}/cube.manifest.json")
    assert list(cube.dates) == ["april", "august"]
    raw, valid = cube.read(0, 0, *cube.grid.shape)
    assert valid.all()
    for date in range(2):
        for number, band in enumerate(BANDS):
            expected = truth_of(band, cube.grid.affine, cube.grid.shape) + 1000
            off = np.abs(raw[date, number] - expected)
            # Beside a cloud, bands of 20 m are interpolated from one side alone.
            assert off.max() <= (6 if band == "B8A" else 0.51)
            assert (off <= 0.51).mean() > 0.97


def test_a_second_run_asks_nobody(bench, server):
    server.asked.clear()
    assert bench.run(*MADE) == set()
    assert not server.asked


def test_other_days_fetch_that_date_alone(bench, server):
    april = bench.config["landcover"]["datasets"]["d"]["scenes"]["s"]["fetch"]["dates"]["april"]
    april["days"] = ["2018-04-19"]
    bench.write_config()
    server.asked.clear()
    ran = bench.run(*MADE)
    assert {"search_items:d.s.april", "fetch_images:d.s.april", "build_cube:landcover.d.s"} <= ran
    assert not {job for job in ran if "august" in job or job.startswith("fetch_mask")}
    assert not any(path.startswith(("/august", "/cover")) for path, _ in server.asked)


def test_a_fault_is_told_and_the_rest_stays(bench, server):
    august = bench.config["landcover"]["datasets"]["d"]["scenes"]["s"]["fetch"]["dates"]["august"]
    august["cloud"] = 1
    bench.write_config()
    done = bench.snakemake(*MADE, check=False)
    assert done.returncode
    assert "more cloud than 1 %" in bench.log("search_items:d.s.august")
    assert (bench.folder / f"{FETCHED}/april.tif").is_file()
    shutil.rmtree(bench.folder)
