"""Fixtures of the tests of faults."""

from __future__ import annotations

import pytest
from commands import Commands


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    """Everything from raw files to a submission, made without a fault; to be read only."""
    folder = tmp_path_factory.mktemp("made")
    at = Commands(folder / "raw", folder / "results", train={"epochs": 2, "batch_size": 4})
    at.write().run("check-images", "check-scene", "build-cube", "align-labels", "index-tiles")
    at.run("split-tiles", "compute-statistics", "train-model", "predict-map", "pack-submission")
    return at
