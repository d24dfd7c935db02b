"""Benchmark of the graph itself: how long Snakemake takes to see that there is nothing to do.

    python benchmarks/graph_scale.py --scenes 1000 --experiments 5 --folder FOLDER

writes raw files and a configuration of so many scenes and experiments of land cover, and products
that hold nothing, recorded as if the jobs had run (`snakemake --touch`). Then it measures a run
that has nothing to do, and how long it takes to see what follows when one scene's image is another.
No job runs, no pixel is read but for the raw files' digests. A folder that is there already is
measured again, without being filled.

Prints JSON: jobs and files of the graph, seconds that passed and seconds of processors.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import yaml
from rasterio.transform import from_origin

ROOT = Path(__file__).resolve().parents[1]
BANDS = ["B02", "B03", "B04", "B08"]
SIDE = 32


def write_raw(folder: Path, scenes: int) -> None:
    """Write one small image and mask, and give them as many names as there are scenes."""
    folder.mkdir(parents=True)
    place = {"driver": "GTiff", "crs": "EPSG:32631"}
    values = np.random.default_rng(0).integers(1000, 4000, (len(BANDS), SIDE, SIDE), np.uint16)
    write(folder / "image.tif", values, 10, place)
    write(folder / "mask.tif", np.full((1, SIDE * 10, SIDE * 10), 10, np.uint8), 1, place)
    for number in range(scenes):
        own = folder / scene_name(number)
        own.mkdir()
        for name in ("image.tif", "mask.tif"):
            os.link(folder / name, own / name)


def write(path: Path, values: np.ndarray, resolution: float, place: dict[str, Any]) -> None:
    """Write (band, y, x) as a GeoTIFF."""
    count, height, width = values.shape
    transform = from_origin(400000, 4600000, resolution, resolution)
    shape = {"count": count, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(path, "w", transform=transform, **shape, **place) as file:
        file.write(values)


def scene_name(number: int) -> str:
    return f"s{number:05d}"


def configuration(raw: Path, scenes: int, experiments: int, learn: int) -> dict[str, Any]:
    """Return a configuration: some scenes to learn from and to test on, all others to map."""
    listed = {}
    for number in range(scenes):
        own = raw / scene_name(number)
        scene: dict[str, Any] = {"dates": {"june": {"file": str(own / "image.tif")}}}
        if number < learn:
            scene["mask"] = {"file": str(own / "mask.tif")}
        else:
            scene["role"] = "predict"
        listed[scene_name(number)] = scene
    classes = {"classes": [{"value": 10, "name": "forest", "color": "#1f6b35"}]}
    classes["classes"].append({"value": 20, "name": "crops", "color": "#e8d36a"})
    dataset = {"classes": classes, "bands": BANDS, "scenes": listed, "tiles": {"sizes": [16]}}
    network = {"name": "unet_scratch", "depth": 2}
    named = {
        f"e{number}": {"datasets": ["d"], "model": {**network, "width": 4 + number}}
        for number in range(experiments)
    }
    job = {"datasets": {"d": dataset}, "experiments": named}
    return {"landcover": job, "compute": {"device": "cpu"}}


WITHOUT_PAUSE = (
    "from snakemake.executors import touch; touch.Executor.SLEEPING_TIME = 0; "
    "from snakemake.cli import main; main()"
)
"""Snakemake, but that it waits a tenth of a second at each job that it only touches."""


class Graph:
    """A folder in which Snakemake draws the graph."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "scale.yaml"

    def snakemake(
        self, *words: str, program: tuple[str, ...] = ("-m", "snakemake")
    ) -> tuple[str, dict[str, float]]:
        """Run Snakemake; return what it said, and the seconds that it took."""
        command = [sys.executable, *program, "--snakefile", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--configfile", str(self.config), *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        passed, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"snakemake failed:\n{(done.stdout + done.stderr)[-4000:]}")
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took = {"seconds": round(passed, 1), "cpu_seconds": round(spent, 1)}
        return done.stdout + done.stderr, took

    def products(self) -> list[Path]:
        """Return every file that the graph makes."""
        said, _ = self.snakemake("--summary")
        rows = [line.split("\t") for line in said.splitlines() if "\t" in line]
        head, place = rows[0], rows[0].index("output_file")
        return [self.folder / row[place] for row in rows[1:] if len(row) == len(head)]

    def fill(self) -> int:
        """Make products without content, and record them as made; return how many there are."""
        products = self.products()
        for path in products:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        words = ("--cores", "1000", "--scheduler", "greedy")  # few rounds, each a quick one
        touch = ("--touch", "--forceall", *words, "--quiet", "all")
        self.snakemake(*touch, program=("-c", WITHOUT_PAUSE))
        return len(products)


def jobs_of(said: str) -> int:
    """Return how many jobs a dry run names, without the target itself."""
    counts = re.findall(r"^(\w+) +(\d+)\s*$", said, re.M)
    return sum(int(count) for name, count in dict(counts).items() if name not in ("total", "all"))


def measure(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Fill a folder, unless it is filled, and measure."""
    graph, raw = Graph(folder), folder / "raw"
    figures: dict[str, Any] = {"scenes": options.scenes, "experiments": options.experiments}
    if not graph.config.is_file():
        write_raw(raw, options.scenes)
        learn = min(options.learn, options.scenes)
        config = configuration(raw, options.scenes, options.experiments, learn)
        graph.config.write_text(yaml.safe_dump(config, sort_keys=False))
        said, figures["first_drawing"] = graph.snakemake("-n", "--quiet", "rules")
        figures["jobs"] = jobs_of(said)
        begun = time.monotonic()
        figures["products"] = graph.fill()
        figures["filling_seconds"] = round(time.monotonic() - begun, 1)
    said, figures["no_op"] = graph.snakemake("--cores", "2")
    if "Nothing to be done" not in said:
        raise SystemExit(f"there is something to do:\n{said[-3000:]}")
    changed = raw / scene_name(options.scenes - 1) / "image.tif"
    sound = changed.read_bytes()
    try:
        changed.unlink()
        values = np.random.default_rng(1).integers(1000, 4000, (len(BANDS), SIDE, SIDE), np.uint16)
        write(changed, values, 10, {"driver": "GTiff", "crs": "EPSG:32631"})
        said, figures["one_scene_changed"] = graph.snakemake("-n", "--quiet", "rules")
        figures["jobs_of_one_scene_changed"] = jobs_of(said)
    finally:
        changed.write_bytes(sound)
    return figures


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--experiments", type=int, default=5)
    parser.add_argument("--learn", type=int, default=100, help="scenes that have a mask")
    parser.add_argument("--folder", type=Path, help="where to work; by default one for the time")
    options = parser.parse_args()
    temporary = Path(tempfile.mkdtemp(prefix="nadir-scale-"))
    folder = (options.folder or temporary / "here").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        print(json.dumps(measure(folder, options), indent=1))
    finally:
        shutil.rmtree(temporary)


if __name__ == "__main__":
    main()
