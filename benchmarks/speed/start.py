"""What it takes until a command does anything."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import partial

from speed.contest import Case, Claim, Contestant, Row, Task

_BOUND = 0.6
_PLAIN = "python -c pass"
_NUMPY = "python -c 'import numpy'"
_PLACES = {1: "nadir, slowest command without torch", 2: "nadir, second slowest", 3: "nadir, third"}
_MEDIAN = "nadir, median command without torch"
_ASK = """
import os, sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            os._exit(3)
sys.meta_path.insert(0, NoTorch())
from nadir.cli.main import main
main([sys.argv[1], "--help"])
"""


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "start",
        "start: the process of a command, with `--help`",
        [
            Contestant(_PLAIN, partial(_python, "pass"), times=5),
            Contestant(_NUMPY, partial(_python, "import numpy"), times=5),
            *(
                Contestant(name, partial(_command, place), ours=True, times=5)
                for place, name in _PLACES.items()
            ),
            Contestant(_MEDIAN, partial(_command, 0), ours=True, times=5),
        ],
        [Claim(name, "", "seconds", _BOUND) for name in (*_PLACES.values(), _MEDIAN)],
        prepare,
    )


def prepare(case: Case) -> None:
    """Find the commands that do without torch, slowest first."""
    from nadir.cli.main import verbs

    path = case.folder / "verbs.json"
    if path.is_file():
        return
    took = {verb: _seconds(verb) for verb in verbs()}
    light = [verb for verb, seconds in took.items() if seconds is not None]
    ordered = sorted(light, key=lambda verb: -took[verb])
    again = {verb: _seconds(verb) for verb in ordered[:6]}  # what the first run compiled is ready
    ordered[:6] = sorted(again, key=lambda verb: -again[verb])
    path.write_text(json.dumps(ordered), encoding="utf-8")


def _seconds(verb: str) -> float | None:
    """Return the seconds of a command's help; None where it imports torch."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _ASK, verb], capture_output=True, check=False)
    return None if done.returncode == 3 else time.perf_counter() - begin


def _python(text: str, case: Case) -> Task:
    return _process([sys.executable, "-c", text])


def _command(place: int, case: Case) -> Task:
    ordered = json.loads((case.folder / "verbs.json").read_text(encoding="utf-8"))
    verb = ordered[place - 1] if place else ordered[len(ordered) // 2]
    note = f"`nadir {verb}`" + (f", of {len(ordered)}" if not place else "")
    return _process([sys.executable, "-m", "nadir", verb, "--help"], note)


def _process(command: list[str], note: str = "") -> Task:
    def work() -> None:
        subprocess.run(command, capture_output=True, check=True)

    return Task(work, lambda: None, note)
