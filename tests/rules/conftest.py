"""Fixtures of the tests that run the graph."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def rules_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for benches, shared by a session."""
    return tmp_path_factory.mktemp("rules")
