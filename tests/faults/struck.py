"""Commands that run in a process of their own, which is killed, or meets a full disk, just there.

Processes are forked from one that has imported the commands and begun nothing: that costs little,
and no thread or open store is forked.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import pkgutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Blow:
    """Where a process is killed.

    Attributes:
        call: Dotted name of the function in whose call.
        holding: Text that one of its arguments holds.
        number: The first such call is 1.
        when: `before` it, `after` it, or `within`: after it, and half of the file that it wrote,
            the last path among its arguments, is cut off again.
    """

    call: str
    holding: str = ""
    number: int = 1
    when: str = "before"


def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["imported"])
    return context


def kill_at(blow: Blow, words: list[str], log: Path) -> int:
    """Run a command that is killed at a blow; return its exit code (-9 when it was)."""
    return _run(_killed, blow, words, log)


def fill_at(number: int, folder: Path, words: list[str], log: Path) -> int:
    """Run a command to which the disk is full from its so manyth write into a folder on."""
    return _run(_filled, (number, folder), words, log)


def _run(target: Callable[..., None], what: Any, words: list[str], log: Path) -> int:
    process = _context().Process(target=target, args=(what, words, str(log)))
    process.start()
    process.join(300)
    if process.is_alive():
        process.kill()
        raise TimeoutError(f"{words[0]} does not end")
    code = process.exitcode
    process.close()
    return int(code)


def reported(act: Callable[[], int], log: str) -> NoReturn:
    """End this process with the exit code that `act` returns; what it says goes into a log."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 2)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    code = 1
    try:
        code = act()
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stderr.flush()
    os._exit(code)


def command(words: list[str], log: str) -> NoReturn:
    """Run a command as a process would; what it says goes into a log."""
    from nadir.cli.main import main

    reported(lambda: main(words), log)


def _killed(blow: Blow, words: list[str], log: str) -> None:
    owner, _, name = blow.call.rpartition(".")
    place, seen = pkgutil.resolve_name(owner), 0
    plain = getattr(place, name)

    def call(*given: Any, **named: Any) -> Any:
        nonlocal seen
        meant = blow.holding in " ".join(map(str, (*given, *named.values())))
        seen += meant
        if not meant or seen != blow.number:
            return plain(*given, **named)
        if blow.when != "before":
            plain(*given, **named)
        if blow.when == "within":
            written = [path for path in given if isinstance(path, (str, os.PathLike))][-1]
            os.truncate(written, os.path.getsize(written) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(place, name, call)
    command(words, log)


def _filled(what: tuple[int, Path], words: list[str], log: str) -> None:
    number, folder = what
    folder, seen = Path(os.path.abspath(folder)), 0

    def look(event: str, given: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "open" and isinstance(given[0], (str, bytes)):
            writes = isinstance(given[2], int) and given[2] & WRITING
        else:
            writes = event in ("os.mkdir", "os.link", "os.truncate")
        if not writes or not isinstance(given[0], (str, bytes, os.PathLike)):
            return
        path = os.path.abspath(os.fsdecode(given[0]))
        if not path.startswith(f"{folder}{os.sep}"):
            return
        seen += 1
        if seen >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    sys.addaudithook(look)
    command(words, log)
