"""Changed files of every format, and such as lie: read, or refused in one clear error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fuzzed_formats import FORMATS, LEARNT, ROOT

SCRIPT = ROOT / "tests" / "faults" / "fuzzed_files.py"
MOST_MB = 700
"""Of the whole process with all its libraries but torch: some 270 MB."""
MOST_LEARNT_MB = 1200
PLAIN = [name for name in FORMATS if name not in LEARNT]


def outcomes(folder: Path, examples: int, names: list[str]) -> dict[str, dict[str, Any]]:
    """Return what became of changed files, by format."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), str(examples), *names],
        capture_output=True,
        text=True,
        check=False,
        # Threads of libraries take address space, which is bounded here.
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "OMP_NUM_THREADS": "1"},
        timeout=3000,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name')]
    assert done.returncode == 0, f"after {[line['name'] for line in lines]}: {done.stderr[-3000:]}"
    return {line["name"]: line for line in lines}


def check(found: dict[str, dict[str, Any]], examples: int, most: int) -> None:
    """See that all files were met, and none did more than to be read or refused."""
    for name, told in found.items():
        assert not told["wrong"], f"{name}: {told['wrong']}"
        assert told["read"] and told["refused"] >= 5, told
        assert told["read"] + told["refused"] > examples // 2
        assert told["memory_mb"] < most, told


def test_changed_files_are_read_or_refused(tmp_path: Path) -> None:
    found = outcomes(tmp_path, 12, PLAIN)
    assert list(found) == PLAIN
    check(found, 12, MOST_MB)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_many_changed_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    check(outcomes(tmp_path, 600, [name]), 600, MOST_LEARNT_MB if name in LEARNT else MOST_MB)
