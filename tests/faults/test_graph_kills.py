"""Runs of the graph that are killed as a whole; `graph_kills.py` does it at length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "graph_kills.py"


@pytest.mark.slow
@pytest.mark.rules
def test_a_killed_run_ends_in_the_same_bytes():
    words = [sys.executable, str(SCRIPT), "--tiny", "--kills", "5", "--cores", "2"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout
    figures = json.loads(done.stdout)
    assert figures["kills"] == 5 and figures["different"] == {}
    assert figures["products"] > 30 and figures["processes_killed"] >= 5
    assert max(figures["jobs_done_at_kills"]) > 0, "or none was killed at work"
