"""Sound files of every format that the package reads, changed in bytes and in structure.

    python tests/faults/fuzzed_files.py FOLDER EXAMPLES [NAME ...]

gives each reader so many changed files, in one process with a bound on its memory and on the time
of each file, and prints a line of JSON for each: its name, how many files were read and refused,
what went wrong with the least of those that were neither, seconds, memory.

Hypothesis drives it: it mutates sound bytes by lists of changes that know where formats keep their
structure, shrinks what fails to the least list, and is derandomized, so that every run of the tests
meets the same files.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from fuzzed_formats import FORMATS, Format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

SECONDS = 20
"""Of the processor, for one file."""
MEMORY = 6 << 30
"""Bytes of address space that the process may have."""
Change = tuple[str, int, int]

_NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_CHANGES = st.lists(
    st.tuples(
        st.sampled_from(("byte", "number", "long", "cut", "end", "twice", "noise", "swap")),
        st.integers(0, 1 << 16),
        st.integers(0, 1 << 16),
    ),
    min_size=1,
    max_size=5,
)


def changed(data: bytes, changes: list[Change]) -> bytes:
    """Return a file changed in some places; formats keep their lists at the beginning and end."""
    some = bytearray(data)
    for kind, place, value in changes:
        if not some:
            break
        size = len(some)
        at = (place // 3) % size if place % 3 == 0 else (place // 3) % min(size, 400)
        if place % 3 == 2:
            at = size - 1 - at
        number = _NUMBERS[value % len(_NUMBERS)]
        if kind == "byte":
            some[at] = value % 256
        elif kind == "number":
            some[at : at + 4] = number.to_bytes(4, "little" if value % 2 else "big")
        elif kind == "long":
            some[at : at + 8] = (number << 31).to_bytes(8, "little" if value % 2 else "big")
        elif kind == "cut":
            del some[at : at + 1 + value % 64]
        elif kind == "end":
            del some[at:]
        elif kind == "twice":
            some[at:at] = some[at : at + 1 + value % 64]
        elif kind == "noise":
            some[at : at + 16] = np.random.default_rng(value).bytes(16)
        else:
            other = value % size
            some[at], some[other] = some[other], some[at]
    return bytes(some)


class Late(Exception):
    """A file took longer than any may."""


def _late(number: int, frame: FrameType | None) -> None:
    raise Late(f"after {SECONDS} s")


@dataclass
class Reader:
    """Reads files of a format and counts what became of them."""

    form: Format
    folder: Path
    read: int = 0
    refused: int = 0
    wrong: str = ""

    def meet(self, data: bytes) -> None:
        """Read a file. Raises whatever is no error of the package's own."""
        from nadir.errors import NadirError

        path = self.folder / f"file{self.form.ending}"
        path.write_bytes(data)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            self.form.read(path)
            self.read += 1
        except NadirError as error:
            assert str(error).startswith(str(self.folder)), f"it names another file: {error}"
            self.refused += 1
        except BaseException:
            self.wrong = traceback.format_exc()[-1500:]
            (self.folder.parent / f"{self.folder.name}{self.form.ending}").write_bytes(data)
            raise
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def all(self, examples: int) -> None:
        """Read the sound file, those that lie, and so many changed ones."""
        sound = self.form.make()
        self.meet(sound)
        assert self.read == 1, "the sound file is refused"
        for data in self.form.lies():
            self.meet(data)

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(_CHANGES)
        def each(changes: list[Change]) -> None:
            self.meet(changed(sound, changes))

        each()


def _peak_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def outcomes(folder: Path, examples: int, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what became of each format."""
    for name in names:
        begun = time.monotonic()
        place = folder / name.replace(" ", "-")
        place.mkdir(parents=True)
        os.environ["FUZZED"] = str(folder)
        reader = Reader(FORMATS[name], place)
        try:
            reader.all(examples)
        except BaseException as error:
            reader.wrong = reader.wrong or repr(error)
        told = {"read": reader.read, "refused": reader.refused, "wrong": reader.wrong}
        spent = round(time.monotonic() - begun, 2)
        yield {"name": name, **told, "seconds": spent, "memory_mb": _peak_mb()}


def main() -> None:
    """Read the formats that the command line names, by default all."""
    folder, examples, names = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _late)
    for told in outcomes(folder, examples, names or list(FORMATS)):
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
