"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nadir.provenance.compiled import separate_compiled_code

separate_compiled_code()  # before any test imports a kernel


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real imagery; the test is skipped where there is none."""
    folder = os.environ.get("NADIR_REAL_DATA")
    if not folder:
        pytest.skip("NADIR_REAL_DATA is not set: no real imagery on this machine")
    path = Path(folder)
    if not path.is_dir():
        pytest.skip(f"NADIR_REAL_DATA names no folder: {path}")
    return path
