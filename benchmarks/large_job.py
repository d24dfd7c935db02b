"""A huge picture as a job of the service: its memory, its progress, and how fast cancel ends it.

    python benchmarks/large_job.py --sides 15000 30000 60000 --watch 120
    python benchmarks/large_job.py --sides 60000                        # to its end

Each side gets a service of its own: its peak of memory is that of one job. With `--watch`, a job
that is not done after so many seconds is cancelled, and the time until the service says so is
measured. The model is a U-Net with random weights; one figure a side is printed as JSON.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import rasterio
from affine import Affine
from rasterio.windows import Window
from service import pictures, random_bundle, start
from tqdm import tqdm

_BLOCK = 512
_ENDED = ("done", "failed", "cancelled")


def write_image(path: Path, side: int) -> None:
    """Write a tiled GeoTIFF of 0.3 m: blocks of rectangles, (3, side, side) uint8."""
    blocks = [np.moveaxis(picture, 2, 0) // 32 * 32 for picture in pictures(8, _BLOCK)]
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    profile |= {"tiled": True, "blockxsize": _BLOCK, "blockysize": _BLOCK, "compress": "deflate"}
    place = Affine(0.3, 0, 500_000, 0, -0.3, 4_600_000)
    options = {"zlevel": 1, "photometric": "RGB", "bigtiff": "IF_SAFER", "num_threads": 2}
    with rasterio.open(path, "w", **profile, **options, crs="EPSG:32631", transform=place) as file:
        for number, row in enumerate(tqdm(range(0, side, _BLOCK), desc="image", disable=None)):
            high = min(_BLOCK, side - row)
            strip = np.concatenate([blocks[(number + k) % 8] for k in range(-(-side // _BLOCK))], 2)
            file.write(strip[:, :high, :side], window=Window(0, row, side, high))


class Watch:
    """The largest memory of a process, looked at ten times a second."""

    def __init__(self, process: int) -> None:
        self.process, self.peak, self._over = psutil.Process(process), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(0.1):
            self.peak = max(self.peak, self.process.memory_info().rss / 2**20)

    def end(self) -> float:
        """Return the peak in MB."""
        self._over.set()
        self._thread.join()
        return self.peak


def follow(client: httpx.Client, job: str, seconds: float | None) -> dict[str, Any]:
    """Wait for a job, or cancel it after some seconds; return what was seen."""
    began, seen = time.perf_counter(), []
    while True:
        told = client.get(f"/jobs/{job}").json()
        taken = time.perf_counter() - began
        seen.append(told["progress"])
        if told["state"] in _ENDED:
            return {"state": told["state"], "seconds": round(taken, 1), "progress": seen[-1]}
        if seconds is not None and taken > seconds:
            break
        time.sleep(0.5)
    steady = all(a <= b for a, b in itertools.pairwise(seen))
    asked = time.perf_counter()
    client.delete(f"/jobs/{job}").raise_for_status()
    while (found := client.get(f"/jobs/{job}")).status_code == 200:
        if found.json()["state"] in _ENDED:
            break
        time.sleep(0.05)
    return {
        "state": found.json()["state"] if found.status_code == 200 else "removed",
        "progress": round(seen[-1], 4),
        "progress_never_fell": steady,
        "seconds_until_cancelled": round(time.perf_counter() - asked, 2),
    }


def run(folder: Path, side: int, options: argparse.Namespace) -> dict[str, Any]:
    """Send one picture as a job and return figures."""
    image = folder / "image.tif"
    write_image(image, side)
    bundle = random_bundle(folder / "model", options.width, options.tile)
    process, port = start(folder, bundle, options.threads)
    try:
        before = psutil.Process(process.pid).memory_info().rss / 2**20
        watch = Watch(process.pid)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            began = time.perf_counter()
            with image.open("rb") as file:
                reply = client.post("/jobs", files={"image": ("image.tif", file)})
            reply.raise_for_status()
            upload = time.perf_counter() - began
            seen = follow(client, reply.json()["id"], options.watch)
            alive = client.get("/readyz").status_code == 200
        peak = watch.end()
    finally:
        process.terminate()
        process.wait(150)
    return {
        "side_px": side,
        "file_mb": round(image.stat().st_size / 2**20, 1),
        "upload_seconds": round(upload, 1),
        "idle_mb": round(before),
        "peak_mb": round(peak),
        "ready_afterwards": alive,
        **seen,
    }


def main() -> None:
    """Read the options, run, and print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sides", type=int, nargs="+", default=[15_000, 30_000, 60_000])
    parser.add_argument("--watch", type=float, help="seconds until a job is cancelled")
    parser.add_argument("--width", type=int, default=4, help="of the random U-Net")
    parser.add_argument("--tile", type=int, default=512, help="side of its windows in pixels")
    parser.add_argument("--threads", type=int, default=2, help="of the model")
    options = parser.parse_args()
    for side in options.sides:
        with tempfile.TemporaryDirectory(prefix="nadir-large-") as folder:
            sys.stdout.write(json.dumps(run(Path(folder), side, options)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
