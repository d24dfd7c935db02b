"""Malformed files: one clear error each, no crash, no hang, no memory above a bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from malformed_files import ROOT, cases

from nadir.config.document import load_config
from nadir.errors import NadirError
from nadir.provenance.manifest import read_manifest

SCRIPT = ROOT / "tests" / "faults" / "malformed_files.py"
CASES = [name for name, _ in cases()]
MOST_MB = 700
"""Of the whole process, which imports rasters, tables and kernels: some 350 MB."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What became of each case: name -> exit code, what was said, memory, seconds."""
    folder = tmp_path_factory.mktemp("malformed")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        timeout=3600,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"name')]
    told = {line["name"]: line for line in lines}
    if len(told) < len(CASES):
        ended = {"code": f"ended with {done.returncode}", "said": done.stderr[-3000:]}
        told[CASES[len(told)]] = {**ended, "named": "", "memory_mb": 0}
    return told


def test_there_are_sixty_and_more() -> None:
    assert len(CASES) == len(set(CASES)) >= 60


@pytest.mark.parametrize("name", CASES)
def test_a_malformed_file(name: str, outcomes: dict[str, dict[str, Any]]) -> None:
    assert name in outcomes, "a case before it ended the process"
    found = outcomes[name]
    said = found["said"]
    allowed = (0, 2) if name.startswith("fuzzed") else (2,)
    assert found["code"] in allowed and "Traceback" not in said, said
    # Words of the command line itself are refused as everywhere: `nadir build-cube: error: ...`.
    errors = [line for line in said.splitlines() if re.match(r"nadir( [a-z-]+)?: error: ", line)]
    assert len(errors) == (found["code"] == 2), said
    assert found["named"] in said
    assert found["memory_mb"] < MOST_MB


_TEXT = st.text(max_size=12)
_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)
_KEYS = ("landcover", "buildings", "worlds", "compute", "seed", "localization", "datasets")
_QUIET = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.slow
@_QUIET
@given(st.dictionaries(st.sampled_from(_KEYS), _PLAIN, max_size=3))
def test_any_configuration_is_read_or_refused(raw: dict[str, Any]) -> None:
    try:
        load_config(raw)
    except NadirError as error:
        assert str(error)


@pytest.mark.slow
@_QUIET
@given(st.data())
def test_a_changed_configuration_is_read_or_refused(data: st.DataObject) -> None:
    """One value of the default configuration becomes another."""
    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    part: Any = raw
    while True:
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else [0]))
        if isinstance(part[key], (dict, list)) and part[key] and data.draw(st.booleans()):
            part = part[key]
            continue
        part[key] = data.draw(_PLAIN)
        break
    try:
        load_config(raw)
    except NadirError as error:
        assert str(error)


@pytest.mark.slow
@_QUIET
@given(st.binary(max_size=80) | _PLAIN.map(lambda value: json.dumps(value).encode()))
def test_any_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cube.manifest.json"
    path.write_bytes(content)
    with pytest.raises(NadirError) as caught:
        read_manifest(path)
    assert "cube.manifest.json" in str(caught.value)
