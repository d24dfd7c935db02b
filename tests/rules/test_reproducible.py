"""Two runs from scratch give the same bytes: maps, tables, pictures, models and archives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from bench import Bench
from raw import BANDS, CLASSES, write_scene

pytestmark = [pytest.mark.rules, pytest.mark.slow]

ENDINGS = {".tif", ".png", ".csv", ".zip", ".html", ".qml", ".safetensors", ".yaml"}
WITH_TIMES = {"card.json", "history.parquet"}
"""What tells how long the work took differs between runs, and says so by its name."""


def products(folder: Path) -> dict[str, str]:
    """Return product -> digest of its bytes."""
    found = {}
    for path in sorted((folder / "results/landcover").rglob("*")):
        if ".zarr" in str(path) or path.name in WITH_TIMES or "tensorboard" in path.parts:
            continue
        if path.suffix in ENDINGS or path.name in ("metrics.json", "leakage.json", "split.parquet"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(folder))] = digest
    return found


def test_two_runs_from_scratch_are_equal_to_the_byte(rules_folder: Path) -> None:
    made = []
    for name in ("one", "other place"):
        folder = rules_folder / name
        folder.mkdir()
        scenes = {
            scene: write_scene(folder / "raw" / scene, seed, 300000 + 20000 * seed)
            for seed, scene in enumerate("ac")
        }
        scenes["c"]["role"] = "test"
        dataset = {
            "classes": CLASSES,
            "bands": BANDS,
            "scenes": scenes,
            "tiles": {"sizes": [16], "overlap": 0.5},
            "split": {"method": "blocks", "block": 2},
        }
        network = {
            "datasets": ["d"],
            "model": {"name": "unet_scratch", "width": 4, "depth": 2},
            "train": {"epochs": 2, "augment": {"dihedral": "random"}},
        }
        forest = {"datasets": ["d"], "model": {"name": "random_forest", "trees": 5, "pixels": 2000}}
        bench = Bench(
            folder,
            {
                "landcover": {
                    "datasets": {"d": dataset},
                    "experiments": {"u": network, "forest": forest},
                },
                "compute": {"device": "cpu"},
            },
        )
        bench.snakemake()
        made.append(products(folder))
    one, other = made
    assert one.keys() == other.keys() and len(one) > 20
    assert {name for name in one if one[name] != other[name]} == set()
