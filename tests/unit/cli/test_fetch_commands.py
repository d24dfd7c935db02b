"""The commands that fetch, from a catalogue on loopback to the files that scenes are read from."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from stac_server import AREA, AREA_UTM, BANDS, LEFT, TOP, Fault, Server, cog, served, truth_of

from nadir.cli.main import main

APRIL = {"start": "2018-04-01", "end": "2018-04-30", "least_share": 0.0}
QUICK = ["--pause", "0.01", "--attempts", "3", "--timeout", "0.8"]
CLOUD = (slice(40, 90), slice(30, 80))


@pytest.fixture
def server() -> Iterator[Server]:
    with served() as state:
        yield state


def words(verb: str, out: Path, cfg: dict[str, Any], *more: str) -> list[str]:
    return [verb, "--out", str(out), "--cfg", json.dumps(cfg), *more, *QUICK]


def settings(url: str, date: dict[str, Any] | None = None, **fetch: Any) -> dict[str, Any]:
    date = {**APRIL, **(date or {})}
    catalog = {"url": url, "collection": "sentinel-2-l2a"}
    whole = {"catalog": catalog, "area": AREA, "dates": {"april": date}, **fetch}
    return {"fetch": whole, "date": date, "bands": BANDS}


def fetch(folder: Path, cfg: dict[str, Any]) -> int:
    """Run both commands; return the exit status of the last one that ran."""
    folder.mkdir(exist_ok=True)
    items = folder / "april.items.json"
    if not items.is_file() and (code := main(words("search-items", items, cfg))):
        return code
    return main(image_words(folder, cfg))


def image_words(folder: Path, cfg: dict[str, Any]) -> list[str]:
    record = ["--record", str(folder / "april.record.json")]
    more = ["--items", str(folder / "april.items.json"), *record, "--threads", "2"]
    return words("fetch-images", folder / "april.tif", cfg, *more)


def check_truth(path: Path, shift: int = 0) -> None:
    """See that a file holds the truth in the form of baseline 04.00, to half a number."""
    with rasterio.open(path) as file:
        data = file.read()
        assert file.descriptions == BANDS
        for number, band in enumerate(BANDS):
            expected = truth_of(band, file.transform, file.shape) + 1000 + shift
            seen = data[number] > 0
            assert seen.mean() > 0.9
            assert np.abs(data[number] - expected)[seen].max() <= 0.51
            assert np.array_equal(seen, data[0] > 0)


@pytest.mark.parametrize("baseline", ["02.07", "05.00"])
@pytest.mark.parametrize("kind", ["publish", "publish_api"])
def test_from_catalogue_to_image(server, tmp_path, baseline, kind):
    server.add_image("S2A_31TDF_20180409", "2018-04-09", baseline=baseline)
    assert fetch(tmp_path, settings(getattr(server, kind)())) == 0
    check_truth(tmp_path / "april.tif")
    with rasterio.open(tmp_path / "april.tif") as file:
        assert file.crs.to_epsg() == 32631
        assert file.bounds[0] <= AREA_UTM[0] and file.bounds[3] >= AREA_UTM[3]
        assert file.transform.a == 10 and file.transform.c % 10 == 0
    record = json.loads((tmp_path / "april.record.json").read_text())
    assert record["seen"] == 1
    assert record["images"][0]["baseline"] == baseline
    assert len(record["files"]) == 4
    assert not list(tmp_path.glob("*.parts"))


def test_clouds_are_filled_from_the_next_image(server, tmp_path):
    server.add_image("clear", "2018-04-19", cloud=20, shift=300, baseline="05.00")
    server.add_image("cloudy", "2018-04-09", cloud=5, clouds=CLOUD, baseline="02.07")
    assert fetch(tmp_path, settings(server.publish())) == 0
    with rasterio.open(tmp_path / "april.tif") as file:
        data = file.read()
        known = np.stack([truth_of(band, file.transform, file.shape) for band in BANDS])
        left, top = round((file.transform.c - LEFT) / 10), round((TOP - file.transform.f) / 10)
    excess = data - known - 1000
    cloud = np.zeros((384, 384), bool)
    cloud[80:180, 60:160] = True
    cloud = cloud[top : top + data.shape[1], left : left + data.shape[2]]
    assert np.abs(excess[:2, cloud] - 300).max() <= 0.51
    assert np.abs(excess[:2, ~cloud]).max() <= 0.51
    # Beside the cloud a band of 20 m lacks the neighbor that it would interpolate with: at most
    # half a pixel of the plane's slope, and nothing of the cloud's thousands.
    assert np.abs(excess[2, cloud] - 300).max() <= 0.51
    assert np.abs(excess[2, ~cloud]).max() <= 6
    assert (np.abs(excess[2, ~cloud]) <= 0.51).mean() > 0.97
    counts = json.loads((tmp_path / "april.record.json").read_text())["images"]
    assert [(entry["id"], entry["pixels"]) for entry in counts] == [
        ("cloudy", int((~cloud).sum())),
        ("clear", int(cloud.sum())),
    ]


def test_an_image_of_another_zone_is_warped(server, tmp_path):
    server.add_image("S2A_31TDF_20180409", "2018-04-09")
    cfg = settings(server.publish(), crs="EPSG:25831")
    assert fetch(tmp_path, cfg) == 0
    check_truth(tmp_path / "april.tif")


def faulty(server: Server, name: str, fault: Fault) -> None:
    server.faults[f"/a/{name}"] = fault


@pytest.mark.parametrize(
    "fault",
    [
        Fault("busy", times=2),
        Fault("busy", times=2, after=1, code=429),
        Fault("cut", times=2, after=1),
        Fault("stall", seconds=1.0, after=1),
        Fault("whole", times=99),
    ],
    ids=["busy", "later", "cut", "stall", "whole"],
)
def test_faults_that_pass_change_nothing(server, tmp_path, fault):
    server.add_image("a", "2018-04-09")
    url = server.publish()
    assert fetch(tmp_path / "sound", settings(url)) == 0
    faulty(server, "B08.tif", fault)
    assert fetch(tmp_path / "faulty", settings(url)) == 0
    assert fault.times < 99
    sound, other = (tmp_path / name / "april.tif" for name in ("sound", "faulty"))
    assert sound.read_bytes() == other.read_bytes()


def truncated(server: Server) -> None:
    server.files["/a/B08.tif"] = server.files["/a/B08.tif"][:-900]


def truncated_unnoticed(server: Server) -> None:
    truncated(server)
    for asset in server.items[0]["assets"].values():
        del asset["file:size"]
    server.publish()


def replaced(server: Server) -> None:
    other = server.files["/a/B08.tif"][:-1] + b"?"
    faulty(server, "B08.tif", Fault("replace", after=1, content=other))


def gone(server: Server) -> None:
    del server.files["/a/SCL.tif"]


def always_busy(server: Server) -> None:
    faulty(server, "SCL.tif", Fault("busy", times=999))


def denied(server: Server) -> None:
    faulty(server, "SCL.tif", Fault("busy", times=999, code=403))


def no_asset(server: Server) -> None:
    del server.items[0]["assets"]["nir08"]
    server.publish()


def no_classes(server: Server) -> None:
    del server.items[0]["assets"]["scl"]
    server.publish()


def another_checksum(server: Server) -> None:
    server.items[0]["assets"]["nir"]["file:checksum"] = "1220" + "0" * 64
    server.publish()


@pytest.mark.parametrize(
    ("break_it", "problem"),
    [
        (truncated, "where the catalogue says"),
        (truncated_unnoticed, "truncated"),
        (replaced, "replaced while it was read"),
        (gone, "no such file"),
        (always_busy, "3 times in a row"),
        (denied, "access is denied"),
        (no_asset, "no asset for B8A"),
        (no_classes, "no asset for SCL"),
        (another_checksum, "sha256 is"),
    ],
)
def test_faults_that_stay_are_told_and_leave_no_image(server, tmp_path, capsys, break_it, problem):
    server.add_image("a", "2018-04-09")
    url = server.publish()
    break_it(server)
    assert fetch(tmp_path, settings(url, verify=break_it is another_checksum)) != 0
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "april.tif").exists()
    assert not list(tmp_path.glob(".*partial*"))


def test_what_is_repaired_is_fetched(server, tmp_path):
    server.add_image("a", "2018-04-09")
    url = server.publish()
    sound = server.files["/a/B08.tif"]
    replaced(server)
    assert fetch(tmp_path, settings(url)) != 0
    server.files["/a/B08.tif"] = sound
    assert fetch(tmp_path, settings(url, verify=True)) == 0
    check_truth(tmp_path / "april.tif")
    files = json.loads((tmp_path / "april.record.json").read_text())["files"]
    assert all(entry["checked"] for entry in files)


@pytest.mark.parametrize("verify", [True, False])
def test_files_without_a_checksum_are_named_once_an_image(server, tmp_path, caplog, verify):
    server.add_image("a", "2018-04-09", clouds=CLOUD)
    for key in ("nir", "scl"):
        del server.items[0]["assets"][key]["file:checksum"]
    server.add_image("b", "2018-04-19", cloud=20.0)
    assert fetch(tmp_path, settings(server.publish(), verify=verify)) == 0
    told = [entry.getMessage() for entry in caplog.records if "compared" in entry.getMessage()]
    images = json.loads((tmp_path / "april.record.json").read_text())["images"]
    found = {image["id"]: image["unchecked"] for image in images}
    assert sorted(found["a"]) == (["B08", "SCL"] if verify else [*sorted(BANDS), "SCL"])
    if verify:
        assert len(told) == 1 and told[0].startswith("a: `verify` is on, but B08, SCL could not")
        assert found["b"] == []
    else:
        assert not told


@pytest.mark.parametrize(
    ("date", "more", "problem"),
    [
        ({"start": "2019-04-01", "end": "2019-04-30"}, {}, "no image of this area from 2019-04-01"),
        ({}, {"area": [20.0, 41.0, 20.1, 41.1]}, "no image of this area"),
        ({"cloud": 1}, {}, "more cloud than 1 %"),
        ({"days": ["2018-04-10"]}, {}, "there are: 2018-04-09"),
    ],
)
def test_nothing_to_fetch_is_told(server, tmp_path, capsys, date, more, problem):
    server.add_image("a", "2018-04-09")
    assert fetch(tmp_path, settings(server.publish(), date, **more)) != 0
    assert problem in capsys.readouterr().err


def test_too_much_cloud_over_the_area(server, tmp_path, capsys):
    server.add_image("a", "2018-04-09", clouds=(slice(0, 192), slice(0, 150)))
    assert fetch(tmp_path, settings(server.publish(), {"least_share": 0.9})) != 0
    assert "of the area is seen" in capsys.readouterr().err


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_and_loads_little_twice(server, tmp_path):
    server.add_image("a", "2018-04-09")
    cfg = settings(server.publish())
    assert fetch(tmp_path / "whole", cfg) == 0
    (tmp_path / "killed").mkdir()
    chosen = (tmp_path / "whole" / "april.items.json").read_bytes()
    (tmp_path / "killed" / "april.items.json").write_bytes(chosen)
    # The last band comes so slowly that the job dies in it.
    faulty(server, "B8A.tif", Fault("stall", times=1, after=1, seconds=60))
    server.sent.clear()
    words_of_job = image_words(tmp_path / "killed", cfg)
    words_of_job[words_of_job.index("--timeout") + 1] = "60"
    process = subprocess.Popen(
        [sys.executable, "-m", "nadir", *words_of_job],
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    until = time.monotonic() + 60
    sizes = {name: len(server.files[f"/a/{name}.tif"]) for name in ("SCL", "B02", "B08")}
    while time.monotonic() < until and any(
        server.sent.get(f"/a/{name}.tif", 0) < size for name, size in sizes.items()
    ):
        time.sleep(0.02)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert list((tmp_path / "killed").glob("april.parts/*.blocks"))
    assert not (tmp_path / "killed" / "april.tif").exists()
    server.faults.clear()
    server.sent.clear()
    assert main(image_words(tmp_path / "killed", cfg)) == 0
    for name, size in sizes.items():
        assert server.sent.get(f"/a/{name}.tif", 0) < 10 < size  # facts alone
    both = [(tmp_path / name / "april.tif").read_bytes() for name in ("whole", "killed")]
    assert both[0] == both[1]


# Labels.


def mask_words(folder: Path, mask: dict[str, Any]) -> list[str]:
    record = ["--record", str(folder / "mask.record.json")]
    return words("fetch-mask", folder / "mask.tif", {"mask": mask, "area": AREA}, *record)


@pytest.fixture
def labels(server: Server) -> np.ndarray:
    classes = np.random.default_rng(0).integers(1, 42, (3000, 3000), np.uint8)
    server.files["/cover.tif"] = cog(classes, 1, "EPSG:25831", left=450000.0, top=4599800.0)
    return classes


def test_labels_from_an_address(server, labels, tmp_path):
    digest = hashlib.sha256(server.files["/cover.tif"]).hexdigest()
    for more in ({}, {"sha256": digest}):
        url = f"{server.url}/cover.tif"
        assert main(mask_words(tmp_path, {"url": url, "values": {7: 3}, **more})) == 0
        with rasterio.open(tmp_path / "mask.tif") as file:
            x, y = round(file.transform.c - 450000), round(4599800 - file.transform.f)
            part = labels[y : y + file.height, x : x + file.width]
            assert np.array_equal(file.read(1), np.where(part == 7, 3, 0))
        record = json.loads((tmp_path / "mask.record.json").read_text())
        assert record["files"][0]["checked"] == bool(more)


def test_labels_of_another_content_are_refused(server, labels, tmp_path, capsys):
    mask = {"url": f"{server.url}/cover.tif", "sha256": "0" * 64}
    assert main(mask_words(tmp_path, mask)) != 0
    assert "sha256" in capsys.readouterr().err
    assert not (tmp_path / "mask.tif").exists()


def test_labels_from_a_catalogue(server, labels, tmp_path, capsys):
    item = server.add_image("cover", "2018-01-01")
    item["assets"] = {"map": {"href": "../cover.tif", "roles": ["data"], "type": "image/tiff"}}
    mask = {"catalog": {"url": server.publish(), "collection": "sentinel-2-l2a"}}
    assert main(mask_words(tmp_path, mask)) == 0
    with rasterio.open(tmp_path / "mask.tif") as file:
        assert file.read(1).all()
    assert main(mask_words(tmp_path, {**mask, "asset": "nothing"})) != 0
    assert "which asset" in capsys.readouterr().err
