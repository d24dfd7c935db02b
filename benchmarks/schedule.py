"""Simulated schedule of land cover at scale: node hours, time, storage, inodes, and what limits.

    python benchmarks/schedule.py                              # the table of docs/scale.md
    python benchmarks/schedule.py --nodes 20 --piece 8192 --json
    python benchmarks/schedule.py --measured results --rates-out rates.json
    python benchmarks/schedule.py --rates rates.json

Nothing is computed but the schedule. Jobs take what was measured: a start-up, and processor seconds
by megapixel (`RATES`, or those that `--measured` reads from the benchmarks that rules have written
in a folder of results). Every step starts when what it reads is there, and when a node has cores
and memory for it; of several that could start, those that were first in the graph do. Reading and
writing share the bandwidth of one file system. Training takes the same time at any size: so many
samples are drawn.

Catalonia is 30,000 x 30,000 pixels at two dates under a mask of 300,000 x 300,000; the continent is
a thousand times that. Both are cut into square scenes (`--piece`), a share of which has labels to
learn from.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nadir.provenance.benchmarks import read_all

MEGA = 1e6
SHARD = 2048


@dataclass(frozen=True)
class Rate:
    """What a step takes.

    Attributes:
        start: Processor seconds of any job: interpreter and libraries.
        each: Processor seconds more for each megapixel of the image and each date, or (labels) of
            the fine mask.
        cores: Cores that a job uses.
        memory_gb: Memory that a job asks for.
    """

    start: float
    each: float
    cores: int = 1
    memory_gb: float = 1.0


RATES = {
    "check_images": Rate(0.9, 0.0),
    "check_scene": Rate(1.0, 0.0),
    "build_cube": Rate(1.0, 0.28, 2, 3),
    "align_labels": Rate(1.0, 0.018, 2, 4),
    "index_tiles": Rate(1.3, 1.4, 2, 3),
    "predict_map": Rate(6.0, 4.4, 2, 6),
    "plot_map": Rate(2.5, 0.1, 1, 3),
}
"""Of the default world (1.05 megapixels, two dates, ten bands; mask of 105 megapixels, twelve
classes; `nadir_landcover`) on two cores without a GPU: processor seconds of results/benchmarks."""
TRAINING = Rate(6.0, 0.0, 2, 8)
BYTES = {
    "raw image": 14.3,
    "raw mask": 0.014,
    "cube": 14.5,
    "labels": 2.5,
    "map and confidence": 2.7,
    "kept predictions": 2.7,
}
"""Bytes a pixel: of the image and a date (raw image, cube), of the mask (raw mask), or of the image
(all others); measured on the same world, compressed as nadir does by default."""
DRIVER = {"start": 6.0, "job": 0.012}
"""Seconds that Snakemake needs to draw the graph: at the start, and more by job
(`benchmarks/graph_scale.py`)."""
SUBMIT = 0.15
"""Seconds between two jobs that one Snakemake hands to a cluster."""


@dataclass(frozen=True)
class Ground:
    """What is mapped.

    Attributes:
        name: What it is called.
        side: Pixels of a side, were it one square.
        dates: Dates.
        finer: How many times finer the mask is.
        labelled: Share of the scenes that have labels.
    """

    name: str
    side: int
    dates: int
    finer: int
    labelled: float


@dataclass(frozen=True)
class Cluster:
    """Where it is computed.

    Attributes:
        nodes: Nodes.
        cores: Cores of a node.
        memory_gb: Memory of a node.
        gb_per_second: What the file system reads and writes for all nodes together.
    """

    nodes: int
    cores: int
    memory_gb: float
    gb_per_second: float


@dataclass(frozen=True)
class Job:
    """A job of the schedule: a rule, what it takes and moves, and which jobs it waits for."""

    rule: str
    cpu_seconds: float
    gigabytes: float
    cores: int
    memory_gb: float
    after: tuple[int, ...] = ()


def jobs_of(ground: Ground, piece: int, rates: dict[str, Rate], training: float) -> list[Job]:
    """Return all jobs in an order in which none waits for a later one."""
    across = math.ceil(ground.side / piece)
    scenes, pixels = across**2, (ground.side / across) ** 2
    learning = max(1, round(ground.labelled * scenes))
    dated = pixels * ground.dates
    size = {name: value * pixels / 1e9 for name, value in BYTES.items()}
    raw, cube = size["raw image"] * ground.dates, size["cube"] * ground.dates
    mask = size["raw mask"] * ground.finer**2
    jobs: list[Job] = []

    def add(rule: str, amount: float, moved: float, *after: int) -> int:
        rate = rates[rule]
        spent = rate.start + rate.each * amount / MEGA
        jobs.append(Job(rule, spent, moved, rate.cores, rate.memory_gb, after))
        return len(jobs) - 1

    cubes, tiles = [], []
    for number in range(scenes):
        cubes.append(add("build_cube", dated, raw + cube, add("check_images", 0, 0)))
        if number < learning:
            checked = add("check_scene", 0, 0, cubes[-1])
            amount = pixels * ground.finer**2
            aligned = add("align_labels", amount, mask + size["labels"], checked)
            tiles.append(add("index_tiles", pixels, cube + size["labels"], aligned))
    rate = TRAINING
    jobs.append(Job("train_model", training, cube, rate.cores, rate.memory_gb, tuple(tiles)))
    trained = len(jobs) - 1
    for number in range(scenes):
        moved = cube + size["map and confidence"] + size["kept predictions"]
        mapped = add("predict_map", dated, moved, cubes[number], trained)
        if number < learning:
            add("plot_map", pixels, size["map and confidence"], mapped)
    return jobs


def simulate(jobs: list[Job], cluster: Cluster) -> tuple[float, float]:
    """Return the seconds until the last job ends, and the core seconds for which cores are held.

    A job holds its cores for its processor seconds shared among them, or for as long as its share
    of the file system takes, whichever is longer.
    """
    waiting = [len(job.after) for job in jobs]
    then: list[list[int]] = [[] for _ in jobs]
    for number, job in enumerate(jobs):
        for before in job.after:
            then[before].append(number)
    ready = [number for number, left in enumerate(waiting) if not left]
    heapq.heapify(ready)
    free = [(cluster.cores, cluster.memory_gb)] * cluster.nodes
    running: list[tuple[float, int, int]] = []
    now = held = 0.0
    while ready or running:
        place = 0
        while ready and place is not None:
            job = jobs[ready[0]]
            place = next(
                (n for n, (c, m) in enumerate(free) if c >= job.cores and m >= job.memory_gb), None
            )
            if place is None:
                break
            number = heapq.heappop(ready)
            cores, memory = free[place]
            free[place] = cores - job.cores, memory - job.memory_gb
            share = cluster.gb_per_second / (len(running) + 1)
            takes = max(job.cpu_seconds / job.cores, job.gigabytes / share)
            held += takes * job.cores
            heapq.heappush(running, (now + takes, number, place))
        now, number, place = heapq.heappop(running)
        job, (cores, memory) = jobs[number], free[place]
        free[place] = cores + job.cores, memory + job.memory_gb
        for other in then[number]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, other)
    return now, held


def inodes_of(ground: Ground, piece: int, jobs: int) -> int:
    """Return how many files there are in the end: shards, tables and maps, logs, records."""
    across = math.ceil(ground.side / piece)
    scenes = across**2
    shards = math.ceil(ground.side / across / SHARD) ** 2
    labelled = max(1, round(ground.labelled * scenes))
    stores = scenes * (2 * ground.dates * shards + 3) + labelled * (2 * shards + 3)
    small = scenes * (2 + 6) + labelled * 4  # manifests and checks, maps, styles, kept predictions
    return stores + small + 3 * jobs  # a log, a benchmark and Snakemake's own record each


def plan(ground: Ground, piece: int, cluster: Cluster, options: Any) -> dict[str, Any]:
    """Return the figures of one ground on one cluster."""
    jobs = jobs_of(ground, piece, options.rates, options.training)
    seconds, held = simulate(jobs, cluster)
    pixels = float(ground.side) ** 2
    scenes = math.ceil(ground.side / piece) ** 2
    learning = max(1, round(ground.labelled * scenes))
    drawing = DRIVER["start"] + DRIVER["job"] * len(jobs)
    handing = SUBMIT * len(jobs)
    labelled = pixels * learning / scenes
    stored = {
        "raw image": BYTES["raw image"] * pixels * ground.dates,
        "raw mask": BYTES["raw mask"] * labelled * ground.finer**2,
        "cube": BYTES["cube"] * pixels * ground.dates,
        "labels": BYTES["labels"] * labelled,
        "map and confidence": BYTES["map and confidence"] * pixels,
        "kept predictions": BYTES["kept predictions"] * pixels,
    }
    spent = sum(job.cpu_seconds for job in jobs)
    bounds = {
        "cores": spent / (cluster.nodes * cluster.cores),
        "file system": sum(job.gigabytes for job in jobs) / cluster.gb_per_second,
        "training": options.training / TRAINING.cores,
        "Snakemake": drawing + handing,
    }
    by_rule: dict[str, float] = {}
    for job in jobs:
        by_rule[job.rule] = by_rule.get(job.rule, 0.0) + job.cpu_seconds
    return {
        "ground": ground.name,
        "scenes": scenes,
        "jobs": len(jobs),
        "nodes": cluster.nodes,
        "cores": cluster.nodes * cluster.cores,
        "hours": max(seconds, bounds["Snakemake"]) / 3600,
        "node_hours": held / cluster.cores / 3600,
        "core_hours_busy": spent / 3600,
        "terabytes": sum(stored.values()) / 1e12,
        "terabytes_of": {name: value / 1e12 for name, value in stored.items()},
        "inodes": inodes_of(ground, piece, len(jobs)),
        "drawing_seconds": drawing,
        "learning_scenes": learning,
        "bottleneck": max(bounds, key=lambda name: bounds[name]),
        "hours_at_least": {name: value / 3600 for name, value in bounds.items()},
        "dearest": max(by_rule, key=lambda name: by_rule[name]),
        "core_hours_by_rule": {name: value / 3600 for name, value in by_rule.items()},
    }


def measured_rates(results: Path) -> dict[str, Rate]:
    """Return rates from the benchmarks of a folder of results, with start-ups as in `RATES`."""
    taken: dict[str, list[tuple[float, float]]] = {rule: [] for rule in RATES}
    for one in read_all(results):
        words = one.job.split(".")
        if one.rule not in RATES or len(words) < 3 or math.isnan(one.cpu_seconds):
            continue
        folder = results / words[0] / words[1] / "scenes" / words[-1]
        amount = _amount(one.rule, folder)
        if amount:
            taken[one.rule].append((one.cpu_seconds, amount))
    rates = {}
    for rule, usual in RATES.items():
        each = sorted(max(0.0, spent - usual.start) / amount for spent, amount in taken[rule])
        rates[rule] = Rate(
            usual.start,
            each[len(each) // 2] if each and usual.each else usual.each,
            usual.cores,
            usual.memory_gb,
        )
    return rates


def _amount(rule: str, scene: Path) -> float:
    """Return the megapixels that a job worked on, by the manifest of its scene; 0: not known."""
    try:
        cube = json.loads((scene / "cube.manifest.json").read_text())
    except (OSError, ValueError):
        return 0.0
    pixels = cube["grid"]["height"] * cube["grid"]["width"] / MEGA
    if rule == "align_labels":
        try:
            check = json.loads((scene / "check.json").read_text())
            return float(check["mask"]["grid"]["height"] * check["mask"]["grid"]["width"] / MEGA)
        except (OSError, ValueError, KeyError, TypeError):
            return 0.0
    return pixels * (len(cube["content"]["dates"]) if rule in ("build_cube", "predict_map") else 1)


def rows_of(options: Any) -> Iterator[dict[str, Any]]:
    """Yield the figures of both grounds, on a small cluster and on a larger one."""
    catalonia = Ground("Catalonia", 30_000, 2, 10, 1.0)
    side = round(30_000 * math.sqrt(1000))
    continent = Ground("continent", side, 2, 10, options.labelled)
    for ground, nodes in ((catalonia, 1), (catalonia, options.nodes), (continent, options.nodes)):
        cluster = Cluster(nodes, options.cores, options.memory, options.bandwidth)
        yield plan(ground, options.piece, cluster, options)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as a table of Markdown."""
    head = "| | scenes | jobs | nodes | hours | node hours | storage | files | drawing | limit |"
    lines = [head, "| --- " + "| ---: " * 8 + "| --- |"]
    for row in rows:
        drawn = row["drawing_seconds"]
        drawing = f"{drawn:.0f} s" if drawn < 120 else f"{drawn / 60:.0f} min"
        cells = [
            f"{row['ground']}, {row['cores']} cores",
            f"{row['scenes']:,}",
            f"{row['jobs']:,}",
            str(row["nodes"]),
            f"{row['hours']:,.1f}",
            f"{row['node_hours']:,.1f}",
            f"{row['terabytes']:,.2f} TB",
            f"{row['inodes']:,}",
            drawing,
            f"{row['bottleneck']} ({row['dearest']})",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--cores", type=int, default=32, help="of a node")
    parser.add_argument("--memory", type=float, default=128, help="of a node, GB")
    parser.add_argument("--bandwidth", type=float, default=2, help="of the file system, GB/s")
    parser.add_argument("--piece", type=int, default=4096, help="side of a scene, pixels")
    parser.add_argument("--training", type=float, default=7200, help="processor seconds")
    parser.add_argument("--labelled", type=float, default=0.01, help="of the continent's scenes")
    parser.add_argument("--rates", type=Path, help="JSON: rule -> start, each, cores, memory_gb")
    parser.add_argument("--measured", type=Path, help="folder of results to take rates from")
    parser.add_argument("--rates-out", type=Path, help="where to write the rates that were used")
    parser.add_argument("--json", action="store_true", help="print all figures")
    options = parser.parse_args()
    rates = dict(RATES)
    if options.measured:
        rates = measured_rates(options.measured)
    if options.rates:
        given = json.loads(options.rates.read_text())
        rates |= {rule: Rate(**one) for rule, one in given.items()}
    options.rates = rates
    if options.rates_out:
        written = {rule: asdict(rate) for rule, rate in rates.items()}
        options.rates_out.write_text(json.dumps(written, indent=1) + "\n")
    rows = list(rows_of(options))
    print(json.dumps(rows, indent=1) if options.json else table(rows))


if __name__ == "__main__":
    main()
