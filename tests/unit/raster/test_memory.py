"""Peak memory of alignment and ingest does not follow the size of the scene."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import json, sys, threading, time
import numpy as np, psutil, rasterio
from rasterio.windows import Window
from nadir.config.classes import CATALONIA
from nadir.config.scenes import CubeConfig, ImageSource, LabelConfig
from nadir.raster.cube import build_cube
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels
from nadir.raster.sources import open_source

task, folder, sides, shard = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
process, peak, running = psutil.Process(), 0, True

def watch():
    global peak
    while running:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.002)

def write(path, side, resolution, tile, bands):
    options = dict(driver="GTiff", dtype=tile.dtype, crs="EPSG:32631", tiled=True, compress="lzw",
                   blockxsize=256, blockysize=256, transform=rasterio.Affine(
                       resolution, 0, 4e5, 0, -resolution, 46e5), BIGTIFF="YES")
    step = tile.shape[-1]
    with rasterio.open(path, "w", count=bands, height=side, width=side, **options) as file:
        for y in range(0, side, step):
            for x in range(0, side, step):
                file.write(tile, window=Window(x, y, step, step))

rng = np.random.default_rng(0)
cfg, peaks = CubeConfig(chunk=min(256, shard), shard=shard), []
for side in [sides[0], *sides]:  # the first run warms up: compiled kernels, libraries, caches
    path, manifest = f"{folder}/{task}{side}.tif", f"{folder}/{task}{side}.manifest.json"
    if task == "labels":
        blobs = np.kron(rng.integers(0, 13, (64, 64)), np.ones((8, 8), int)).astype(np.uint8)
        write(path, side * 10, 1, blobs[None], 1)
        grid = Grid("EPSG:32631", (10, 0, 4e5, 0, -10, 46e5), side, side)
        work = lambda: align_labels(path, grid, CATALONIA, LabelConfig(), manifest, {}, cfg, 2)
    else:
        bands = tuple(f"B0{n}" for n in range(2, 8))
        write(path, side, 10, rng.integers(1, 5000, (6, 256, 256)).astype(np.uint16), 6)
        source = open_source(ImageSource(file=path, file_bands=bands, baseline="02.08"), bands)
        work = lambda: build_cube([("a", source)], None, manifest, cfg, {}, 2)
    peak, running = 0, True
    thread = threading.Thread(target=watch)
    thread.start()
    work()
    running = False
    thread.join()
    peaks.append(peak / 1e6)
print(json.dumps(peaks[1:]))
"""


def peaks(task: str, folder: Path, sides: list[int], shard: int) -> list[float]:
    """Return the peak resident memory in MB for each side, all in one warm child process."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, task, str(folder), json.dumps(sides), str(shard)],
        env={**os.environ, "GDAL_CACHEMAX": "16", "MALLOC_ARENA_MAX": "2"},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("task", "sides"), [("labels", [512, 1024, 2048]), ("cube", [768, 1536, 3072])]
)
def test_peak_memory_does_not_grow_with_the_side(task, sides, tmp_path):
    small, double, fourfold = peaks(task, tmp_path, sides, 256)
    # The whole scene would add 105 and 420 MB (mask), or 28 and 113 MB (cube): far more than this.
    assert double < small + 15
    assert fourfold < small + 25
