"""A service killed while jobs run; `tests/faults/service_kills.py` does it at length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "faults" / "service_kills.py"


@pytest.mark.slow
def test_no_job_is_lost_when_the_service_is_killed():
    options = ["--kills", "2", "--jobs", "4", "--side", "350", "--large", "0"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout
    figures = json.loads(done.stdout)
    assert figures["accepted"] == figures["right"] == 4
    assert sum(figures["unfinished_at_kills"]) > 0, "or nothing was cut short"
    assert figures["folders_left"] == 4 and figures["last_exit_code"] == 0
