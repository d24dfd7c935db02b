"""Work for Dask clusters: in a module that workers can import, as they can the package."""

from __future__ import annotations

import os
import signal
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadir.raster import cluster
from nadir.raster.sources import RasterSource


@dataclass
class Deadly:
    """Imagery whose first reader on a worker is killed in the middle of its block."""

    source: RasterSource
    home: int
    mark: Path

    def __getattr__(self, name):
        if name.startswith("__") or name == "source":
            raise AttributeError(name)
        return getattr(self.source, name)

    def read(self, y, x, height, width):
        values = self.source.read(y, x, height, width)
        if os.getpid() != self.home and y and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return values


def square(number):
    return number * number


def die(number):
    os.kill(os.getpid(), signal.SIGKILL)


class Table:
    """A function that is too large to be sent with every call."""

    def __init__(self):
        self.rows = np.arange(cluster._LARGE // 4)

    def __call__(self, number):
        return int(self.rows[number])


def unknown():
    """Return a function whose module the workers lack."""
    module = types.ModuleType("of_nobody")
    exec("def work(number):\n    return number", module.__dict__)
    sys.modules["of_nobody"] = module
    return module.work
