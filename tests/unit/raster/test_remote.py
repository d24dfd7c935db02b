"""Stores in an object store: equal when read back, whole or not there, faults survived or told."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from nadir.config.scenes import CubeConfig, ImageSource
from nadir.errors import InputError
from nadir.provenance import remote
from nadir.provenance.transfer import download_folder
from nadir.raster.cube import build_cube, open_cube
from nadir.raster.sources import open_source
from nadir.raster.store import _shards
from nadir.upkeep.clean_sent import remove_version, survey_sent
from nadir.upkeep.verify import verify

BANDS = ("B02", "B03", "B04")
PREFIX = "s3://data/results"
SHARDS = "GET /data/results/cube/[0-9a-f]+/cube.zarr/reflectance/c"


@pytest.fixture
def values():
    found = np.random.default_rng(0).integers(1000, 6000, (3, 700, 600)).astype(np.uint16)
    found[:, :256, :256] = 0  # a shard without values, which is no file
    return found


@pytest.fixture
def build(store, tmp_path, write_raster, values, monkeypatch):
    """Return a function that builds a cube here or in the store, and returns its manifest."""
    path = write_raster("image.tif", values, resolution=10, bands=BANDS)
    source = open_source(ImageSource(file=str(path), baseline="05.10"), BANDS)

    def call(name="cube", prefix=PREFIX):
        monkeypatch.setenv("NADIR_STORAGE", prefix)
        manifest = tmp_path / "results" / f"{name}.manifest.json"
        build_cube([("may", source)], None, manifest, CubeConfig(chunk=128, shard=256), {}, 2)
        monkeypatch.delenv("NADIR_STORAGE")
        return manifest

    return call


@pytest.fixture(autouse=True)
def forget():
    yield
    remote._files.cache_clear()


def empty_cache(tmp_path):
    """Rename the copies away: what follows is read from the store."""
    cache = tmp_path / "cache"
    if cache.exists():
        cache.rename(tmp_path / f"old{len(list(tmp_path.iterdir()))}")
    remote._files.cache_clear()


def test_a_cube_is_read_back_shard_by_shard(build, store, tmp_path, values):
    here, there = open_cube(build("here", "")), open_cube(build())
    assert "store" not in json.loads(here.path.read_text())
    assert there.manifest.digest == here.manifest.digest
    assert there.manifest.store.startswith(f"{PREFIX}/cube/")
    assert [path.name for path in there.path.parent.iterdir() if "zarr" in path.name] == [
        "here.zarr"
    ]
    last = [line for line in store.requests() if line.startswith("PUT")][-2:]
    assert last[0].split("?")[0].endswith("/cube.zarr/zarr.json")  # metadata last, then the list
    assert last[1].split("?")[0].endswith("/published.json")
    there = pickle.loads(pickle.dumps(there))
    raw, _ = there.read(300, 300, 100, 100)
    assert (raw[0] == values[:, 300:400, 300:400]).all()
    fetched = [line for line in store.requests() if "/reflectance/c/" in line]
    assert len(fetched) == 1
    for one, other in zip(there.load(), here.load(), strict=True):
        assert (one == other).all()
    assert (there.dask()[0][0, :, 250:600:7, 3:].compute() == values[:, 250:600:7, 3:]).all()
    store.requests()
    there.load()
    assert store.requests() == []  # the copies are here
    names = download_folder(there.manifest.store.rsplit("/", 1)[0], tmp_path / "copy")
    assert "cube.zarr/zarr.json" in names


def test_a_manifest_is_the_same_each_time_and_nothing_is_sent_twice(build, store):
    first = build().read_bytes()
    store.requests()
    assert build().read_bytes() == first
    sent = [line for line in store.requests() if line.startswith("PUT")]
    assert len(sent) == 1  # the list alone
    assert sent[0].split("?")[0].endswith("published.json")


def test_a_store_that_fails_half_way_leaves_no_manifest_and_the_next_run_goes_on(build, store):
    store.fail("PUT .*/reflectance/c/0/0/1/1", status=403, code="AccessDenied", times=99)
    with pytest.raises(InputError, match="access is denied"):
        build()
    left = store.keys("results/")
    assert left
    assert not any(key.endswith(("published.json", "cube.zarr/zarr.json")) for key in left)
    store._call("reset")
    manifest = build()
    sent = {line.split("?")[0].split("/", 2)[2] for line in store.requests() if line[:3] == "PUT"}
    assert not sent & set(left)  # what had arrived is not sent again
    open_cube(manifest).load()


def test_no_manifest_and_no_store_where_the_bucket_is_not_there(build, tmp_path):
    with pytest.raises(InputError, match="no bucket"):
        build(prefix="s3://absent/x")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "fault", [{"status": 503, "times": 2}, {"keep": 90, "times": 2}, {"delay": 1.0}]
)
def test_faults_that_pass_do_no_harm(build, store, values, fault):
    store.fail("PUT .*/c/", **{**fault, "keep": None})
    cube = open_cube(build())
    store.fail(SHARDS, **fault)
    assert (cube.load()[0][0] == values).all()


def test_a_shard_that_is_truncated_altered_or_gone_is_an_error_that_names_it(
    build, store, tmp_path
):
    cube = open_cube(build())
    key = next(key for key in store.keys("results/") if key.endswith("reflectance/c/0/0/1/1"))
    body = store.get(key)
    for bad, problem in ((body[:-9], "ends after"), (body[:-1] + b"x", "its content is not")):
        store.put(key, bad)
        empty_cache(tmp_path)
        with pytest.raises(InputError, match=problem) as caught:
            cube.load()
        assert caught.value.file == f"s3://data/{key}"
        found = verify(tmp_path / "results").faults
        assert [(key in one.problem, problem in one.problem) for one in found] == [(True, True)]
        assert found[0].rule == "build_cube"
    store.delete(key)
    empty_cache(tmp_path)
    with pytest.raises(InputError, match="no such object"):  # and not zeros
        cube.load()
    build()  # mends it: what is altered is sent again
    assert store.get(key) == body
    cube.load()
    assert not verify(tmp_path / "results").faults
    store.fail(SHARDS, keep=90, times=999)
    empty_cache(tmp_path)
    with pytest.raises(InputError, match="cut off"):
        cube.load()


def test_copies_that_vanish_are_fetched_again(build, tmp_path, values):
    cube = open_cube(build())
    cube.load()
    for path in (tmp_path / "cache").rglob("c/*/*/*/*"):
        path.unlink()
    assert (cube.load()[0][0] == values).all()


def test_a_list_or_an_address_that_is_forged(build, store, tmp_path):
    manifest = build()
    key = next(key for key in store.keys("results/") if key.endswith("published.json"))
    store.put(key, store.get(key).replace(b"zarr.json", b"../../x.json"))
    empty_cache(tmp_path)
    with pytest.raises(InputError, match="not the list of this version"):
        open_cube(manifest).load()
    for bad in ("/etc/passwd", "s3://data", "s3://data/..", 5):
        text = {**json.loads(manifest.read_text()), "store": bad}
        manifest.write_text(json.dumps(text))
        with pytest.raises(InputError):
            open_cube(manifest)


def test_versions_that_no_manifest_names_may_go(build, store, tmp_path):
    kept = json.loads(build().read_text())["store"].rsplit("/", 1)[0] + "/"
    store.put("results/cube/0123456789abcdef/cube.zarr/zarr.json", b"{}")
    store.put("results/notes.txt", b"of somebody else")
    versions = survey_sent(tmp_path / "results", PREFIX, 0, now=4e9)
    assert {one.address: bool(one.kept) for one in versions} == {
        kept: True,
        f"{PREFIX}/cube/0123456789abcdef/": False,
    }
    assert survey_sent(tmp_path / "results", PREFIX, 1e12, now=4e9)[0].kept == "sent lately"
    for one in versions:
        if not one.kept:
            remove_version(one)
    assert "results/notes.txt" in store.keys("results/")
    assert len({key.split("/")[2] for key in store.keys("results/cube/")}) == 1


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (..., ["c/0/0", "c/0/1", "c/1/0", "c/1/1"]),
        ((0, slice(None)), ["c/0/0", "c/0/1"]),
        ((slice(3, 5), slice(4, 8)), ["c/0/1", "c/1/1"]),
        ((..., 3), ["c/0/0", "c/1/0"]),
    ],
)
def test_shards_that_an_index_touches(index, expected):
    assert _shards((8, 8), (4, 4), index) == expected
