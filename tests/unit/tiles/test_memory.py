"""Memory of index and statistics stays that of a block, whatever the size of the scene."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd

from nadir.config.tiling import TileConfig
from nadir.tiles import cells
from nadir.tiles.index import index_tiles
from nadir.tiles.statistics import statistics_of_scene


class EndlessCube:
    """Imagery and labels made while they are read."""

    dates, present, bands = ("june",), (0,), ("B03", "B04", "B08", "B11")
    scale, offset = {"june": 1e-4}, {"june": 0.0}

    def __init__(self, grid):
        self.grid = grid

    def read(self, y, x, height, width):
        raw = np.arange(4 * height * width, dtype=np.uint16).reshape(1, 4, height, width)
        return raw, np.ones((1, height, width), bool)

    def hard(self, y, x, height, width):
        return np.ones((height, width), np.uint8)


def _peak(work) -> float:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 1e6


def test_a_scene_of_sixteen_times_the_area_takes_no_more(grid, classes, monkeypatch):
    monkeypatch.setattr(cells.scene_blocks, "__defaults__", (512,))
    peaks = []
    for side in (512, 512, 2048):  # the first only warms up
        cube = EndlessCube(grid(side, side))
        split = pd.DataFrame({"scene": ["a"], "y": 0, "x": 0, "size": side, "split": "train"})
        cfg = TileConfig(sizes=(256,), overlap=0.5)
        peaks.append(
            (
                _peak(lambda cube=cube, cfg=cfg: index_tiles(cube, cube, cfg, classes, "a")),
                _peak(lambda c=cube, s=split: statistics_of_scene(c, c, s, "a", 4)),
            )
        )
    for small, large in zip(*peaks[1:], strict=True):
        assert large < 1.25 * small + 1  # MB; a few counts per tile are allowed
