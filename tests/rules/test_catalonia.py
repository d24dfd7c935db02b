"""The graph of the overlay of Catalonia is drawn without a network."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from bench import REPOSITORY, Bench

pytestmark = pytest.mark.rules


def test_the_graph_of_catalonia_is_drawn_offline(
    rules_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody is there
    folder = rules_folder / "catalonia"
    folder.mkdir()
    bench = Bench(folder, yaml.safe_load((REPOSITORY / "config" / "catalonia.yaml").read_text()))
    done = bench.snakemake("landcover", "--dryrun")
    counts = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout, re.MULTILINE))
    experiments = len(bench.config["landcover"]["experiments"])
    expected = {
        "search_items": 2,  # April and August
        "fetch_images": 2,
        "fetch_mask": 1,
        "build_cube": 1,
        "align_labels": 1,
        "train_model": experiments - 1,
        "fit_forest": 1,
        "predict_calibrated": 1,
        "predict_map": experiments - 1,
        "evaluate_map": experiments,
        "evaluate_quality": 1,
        "compare_experiments": 1,
    }
    assert {name: int(counts.get(name, 0)) for name in expected} == expected
    assert not (folder / "results" / "fetched").exists()
    shutil.rmtree(folder)
