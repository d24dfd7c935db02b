"""Slots of the result cache: which there are, and who still needs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nadir.upkeep.walking import is_plain_folder

SLOTS = ".cache"
"""Name of the result cache in a folder of results."""

_KEY = re.compile(r"[0-9a-f]{20}")


def slot_of(path: Path) -> Path | None:
    """Return the slot of the result cache that a path lies in, if it lies in one."""
    parts = path.parts
    if SLOTS not in parts:
        return None
    for number in range(parts.index(SLOTS) + 1, len(parts)):
        if _KEY.fullmatch(parts[number]):
            return Path(*parts[: number + 1])
    return None


def slots_below(folder: Path) -> Iterator[Path]:
    """Yield every slot of the cache of a folder of results, sorted; links are not followed."""
    root = folder / SLOTS
    todo = [root] if is_plain_folder(root) else []
    while todo:
        here = todo.pop()
        for child in sorted(here.iterdir(), reverse=True):
            if not is_plain_folder(child):
                continue
            if _KEY.fullmatch(child.name):
                yield child
            else:
                todo.append(child)
