"""The graph with its raw data and its stores in an object store, as docs/clusters.md has it."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bench import Bench
from object_store import ObjectStore
from raw import BANDS, CLASSES, write_scene

pytestmark = pytest.mark.rules

STORAGE = "s3://data/stores"
EQUAL = (
    *("split.parquet", "leakage.json", "statistics.json", "scenes/a/tiles.parquet"),
    *("u/model/model.safetensors", "u/metrics.json", "u/confusion.csv", "u/submission.zip"),
    *("u/scenes/a/map.tif", "u/scenes/c/map.tif", "u/scenes/c/confidence.tif"),
    *("u/scenes/c/map.png", "u/confusion.png"),
)
D = "landcover.d"
KINDS = ("cube", "labels")


class ObjectBench(Bench):
    """A bench whose raw files and stores lie in an object store.

    Args:
        folder: Where to put it.
        config: As for a bench on local disks; raw files are sent, and stores go to a prefix.
        store: The object store.
    """

    def __init__(self, folder: Path, config: dict[str, Any], store: ObjectStore) -> None:
        self.store = store
        folder.mkdir(exist_ok=True)
        config = copy.deepcopy(config)
        for name, scene in config["landcover"]["datasets"]["d"]["scenes"].items():
            for item in (*scene["dates"].values(), scene["mask"]):
                item["file"] = self.send(name, Path(item["file"]))
        config["compute"]["storage"] = STORAGE
        super().__init__(folder, config)

    def send(self, scene: str, path: Path) -> str:
        """Store a raw file of a scene and return its address."""
        return self.store.put(f"raw/{scene}/{path.name}", path.read_bytes())

    def environment(self) -> dict[str, str]:
        """Return the environment of a run, which says where the store is."""
        told = {
            "AWS_ENDPOINT_URL": self.store.url,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "NADIR_CACHE": str(self.folder / "cache"),
        }
        kept = {key: value for key, value in super().environment().items() if key[:4] != "AWS_"}
        return {**kept, **told}

    def stores(self) -> dict[str, str]:
        """Return the address of each store, by its manifest's folder and kind."""
        found = {}
        for path in sorted((self.folder / "results/landcover/d/scenes").glob("*/*.manifest.json")):
            found[f"{path.parent.name}/{path.name}"] = json.loads(path.read_text())["store"]
        return found


def world(folder: Path, scenes: str) -> dict[str, Any]:
    """Write raw scenes, all but the first ones for tests alone, and return a configuration."""
    written = {
        name: write_scene(folder / name, seed, 300000 + 20000 * seed)
        for seed, name in enumerate(scenes)
    }
    for name in scenes[1:]:
        written[name]["role"] = "test"
    data = {
        **{"classes": CLASSES, "bands": BANDS, "scenes": written, "tiles": {"sizes": [16]}},
        "split": {"method": "blocks", "block": 2},
    }
    learnt = {
        **{"datasets": ["d"], "model": {"name": "unet_scratch", "width": 4, "depth": 2}},
        "train": {"epochs": 2},
    }
    parts = {"datasets": {"d": data}, "experiments": {"u": learnt}}
    return {"landcover": parts, "compute": {"device": "cpu"}}


def make_flaky(store: ObjectStore) -> None:
    """Let a good part of the requests fail, each in its way, without an end."""
    often = {"times": 10**6}
    store.fail("^(GET|HEAD) ", every=6, status=503, **often)
    store.fail("^PUT ", every=5, status=500, code="InternalError", **often)
    store.fail("^GET /data/(raw|stores)", every=4, keep=70, **often)
    store.fail(".", every=9, drop=True, **often)
    store.fail("^GET ", every=8, delay=0.2, **often)


def digests(bench: Bench) -> dict[str, str]:
    """Return the digest of every product that is equal wherever stores lie."""
    folder = bench.folder / "results/landcover/d"
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in EQUAL}


def masks(scenes: str) -> set[str]:
    """Jobs that bring masks of a store here, which are read more than once."""
    return {f"prepare_mask:{D}.{scene}" for scene in scenes}


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    """A store on loopback, behind a proxy that makes faults."""
    made = ObjectStore()
    made.reset()
    yield made
    made.stop()


def test_stores_in_an_object_store_that_fails_now_and_then(
    store: ObjectStore, rules_folder: Path
) -> None:
    """Raw data are read, stores written and read again; nothing is done twice."""
    folder = rules_folder / "objects_thin"
    bench = ObjectBench(folder, world(folder / "from", "a"), store)
    make_flaky(store)
    target = "results/landcover/d/scenes/a/labels.manifest.json"
    ran = bench.run(target)
    assert {f"build_cube:{D}.a", f"align_labels:{D}.a"} <= ran
    assert store.heal() > 10
    for kind in KINDS:
        manifest = f"a/{kind}.manifest.json"
        address = bench.stores()[manifest]
        assert address.startswith(f"{STORAGE}/{kind}/") and address.endswith(f"/{kind}.zarr")
        assert not (bench.folder / "results/landcover/d/scenes/a" / f"{kind}.zarr").exists()
    sent = store.keys("stores/")
    assert sum(key.endswith("/published.json") for key in sent) == len(KINDS)
    assert bench.run(target) == set()
    assert store.keys("stores/") == sent


@pytest.mark.slow
def test_a_whole_graph_with_its_data_in_an_object_store(
    store: ObjectStore, rules_folder: Path
) -> None:
    """Products equal those of local disks, whatever fails; only what changed is done anew."""
    store.reset()
    folder = rules_folder / "objects"
    config = world(folder / "from", "ac")
    (folder / "here").mkdir()
    here = Bench(folder / "here", config)
    there = ObjectBench(folder / "there", config, store)
    everything = here.run()
    make_flaky(store)
    assert there.run() == everything | masks("ac")
    assert store.heal() > 20
    assert digests(there) == digests(here)
    assert len(there.stores()) == 4
    assert all(address.startswith(f"{STORAGE}/") for address in there.stores().values())
    assert not list((there.folder / "results").rglob("*.zarr"))

    done = there.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr

    before = there.stores()
    write_scene(folder / "from" / "c", 77, 320000)
    for name in ("image.tif", "mask.tif"):
        there.send("c", folder / "from" / "c" / name)
    make_flaky(store)
    ran = there.run()
    assert store.heal() > 5
    assert ran == here.run() | masks("c")
    assert f"build_cube:{D}.c" in ran and f"build_cube:{D}.a" not in ran
    assert not any(job.startswith("train_model") for job in ran)
    assert digests(there) == digests(here)
    after = there.stores()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"c/cube.manifest.json", "c/labels.manifest.json"}
