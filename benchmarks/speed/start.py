"""What it takes until a command does anything."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from speed.contest import Case, Claim, Contestant, Row, Task

_BOUND = 0.6
_COMMANDS = (
    "check-scene",
    "build-cube",
    "align-labels",
    "index-tiles",
    "split-tiles",
    "compute-statistics",
    "evaluate-map",
    "plot-map",
    "export-polygons",
    "pack-submission",
)
"""Commands of the land-cover job that do without torch."""


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "start",
        "start: the process of a command, with `--help`",
        [
            Contestant("python -c pass", partial(_python, "pass")),
            Contestant("python -c 'import numpy'", partial(_python, "import numpy")),
            *(Contestant(f"nadir {verb}", partial(_nadir, verb), ours=True) for verb in _COMMANDS),
        ],
        [Claim(f"nadir {verb}", "", "seconds", _BOUND) for verb in _COMMANDS],
    )


def _python(text: str, case: Case) -> Task:
    return _process(["-c", text])


def _nadir(verb: str, case: Case) -> Task:
    return _process(["-m", "nadir", verb, "--help"])


def _process(words: list[str]) -> Task:
    def work() -> None:
        subprocess.run([sys.executable, *words], capture_output=True, check=True)

    return Task(work, lambda: None)
