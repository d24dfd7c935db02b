"""How and where a network is fitted: what trainings of all jobs are told beside their data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nadir.learn.group import ALONE, Group

OutOfMemory = Literal["stop", "split"]
"""When a batch does not fit into the memory of a GPU: say what would, or compute it in parts."""


@dataclass(frozen=True)
class Session:
    """How and where to fit. Nothing in it changes the result, but for the seed.

    Attributes:
        work: Folder for the state of an unfinished run.
        folder: Where to write bundle and history.
        seed: Seed of the configuration.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.
        keys: Keys of code and data, for the bundle.
        group: The processes that train together.
        out_of_memory: What to do when a batch does not fit into memory.
    """

    work: Path
    folder: Path
    seed: int = 0
    device: str = "auto"
    threads: int = 1
    keys: dict[str, Any] = field(default_factory=dict)
    group: Group = ALONE
    out_of_memory: OutOfMemory = "stop"
