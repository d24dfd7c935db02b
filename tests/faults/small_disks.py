"""Commands whose results lie on a disk of their own, a tmpfs that is full for all who write there.

    unshare --map-root-user --mount python tests/faults/small_disks.py

reads tasks from its input (JSON: `name`; `disk`, a folder to mount on; `bound`, an option of tmpfs
that bounds it; `words`, a command line, or `writer`, a name of `disk_writers`; `log`, a file for
what is said). Each is run on disks of the `sizes` that it names, or of growing size until it gets
through, then between the last failure and the first success until they are neighbors; a line of
JSON is printed for each size.
After each failure the disk grows and the command runs once more.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "rules")]

from disk_writers import prepare, write  # noqa: E402
from struck import command, reported  # noqa: E402

UNITS = {"size": 4096, "nr_inodes": 1}
"""What a disk is bounded by -> its least step (a page, a file)."""
LARGEST = 1 << 12
ALONE = ["unshare", "--map-root-user", "--mount"]
"""What a command is preceded by to mount disks that nobody else sees."""


def can_mount(folder: Path) -> bool:
    """Tell whether this system lets its user mount a tmpfs."""
    words = [*ALONE, "mount", "-t", "tmpfs", "none", str(folder)]
    try:
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def outcomes(tasks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run tasks in a process of its own and return what became of each at each size."""
    done = subprocess.run(
        [*ALONE, sys.executable, __file__],
        input=json.dumps(tasks),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _given(task: dict[str, Any]) -> Generator[int, bool, None]:
    """Yield the sizes that a task names."""
    for size in task["sizes"]:  # noqa: UP028 - a list takes no answers
        yield size


def _sizes(_: dict[str, Any]) -> Generator[int, bool, None]:
    """Yield sizes to try; each is to be answered (`send`) by whether the command got through."""
    size, short = 1, 0
    while size <= LARGEST:
        through = yield size
        if through:
            break
        short, size = size, 2 * size
    enough = size
    while enough - short > 1:
        size = (short + enough) // 2
        through = yield size
        short, enough = (short, size) if through else (size, enough)


def _try(task: dict[str, Any], size: int) -> dict[str, Any]:
    """Return what becomes of a command on a new disk of a size."""
    disk, bound = task["disk"], task["bound"]
    limit = f"{bound}={size * UNITS[bound]}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "none", disk], check=True)
    try:
        code, said = _run(task)
        found = {"name": task["name"], "size": size, "code": code, "said": said}
        found["files"] = _digests(Path(disk))
        if code:
            wide = f"remount,{bound}={LARGEST * 16 * UNITS[bound]}"
            subprocess.run(["mount", "-o", wide, disk], check=True)
            code, said = _run(task)
            found["again"] = {"code": code, "said": said, "files": _digests(Path(disk))}
    finally:
        subprocess.run(["umount", disk], check=True)
    return found


def _run(task: dict[str, Any]) -> tuple[int, str]:
    """Act in a copy of this process; return its exit code and what it said."""
    child = os.fork()
    if not child:
        if "words" in task:
            command(task["words"], task["log"])
        reported(lambda: write(task["writer"], Path(task["disk"])), task["log"])
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, Path(task["log"]).read_text()


def _digests(disk: Path) -> dict[str, str]:
    """Return the digest of every file and the names of folders that are half-written."""
    return {
        str(path.relative_to(disk)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in sorted(disk.rglob("*"))
        if path.is_file() or ".partial" in path.name
    }


def main() -> None:
    """Run the tasks that the input holds."""
    tasks = json.loads(sys.stdin.read())
    if any("words" in task for task in tasks):
        import imported  # noqa: F401  what the copies need, once
    prepare([task["writer"] for task in tasks if "writer" in task])
    for task in tasks:
        sizes = (_given if "sizes" in task else _sizes)(task)
        size = next(sizes)
        while size:
            found = _try(task, size)
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            try:
                size = sizes.send(found["code"] == 0)
            except StopIteration:
                break


if __name__ == "__main__":
    main()
