"""Load on a service of segmentation: what is lost, what is wrong, its memory, and its throughput
against the same model called directly in a loop, in the same run.

    python benchmarks/service.py --requests 10000 --together 32

Without `--bundle` the model is a U-Net with random weights: it computes as much as a trained one.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

from nadir.config.classes import ClassTable
from nadir.config.experiments import UNetScratch
from nadir.learn.bundle import save_bundle
from nadir.raster.grid import Grid
from nadir.service.batching import Batcher
from nadir.service.catalog import Model, load_model
from nadir.service.direct import Held
from nadir.service.layers import Legend, mask_png
from nadir.service.predicting import predict_in_memory

_BOUNDARY = b"nadir-benchmark"


@dataclass
class Tally:
    """What became of requests."""

    right: int = 0
    wrong: int = 0
    lost: int = 0
    refused: int = 0
    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def random_bundle(folder: Path, width: int, tile: int) -> Path:
    """Write the bundle of a U-Net with random weights."""
    import torch

    from nadir.segmentation.models.registry import build_model

    torch.manual_seed(0)
    cfg = UNetScratch(width=width, depth=4)
    model = build_model(cfg, 3, 2, pretrained=False)
    table = ClassTable.model_validate(
        {
            "classes": [{"value": 0, "name": "background"}, {"value": 255, "name": "building"}],
            "nodata": [],
        }
    )
    description = {
        "task": "segmentation",
        "model": cfg.model_dump(mode="json"),
        "classes": table.model_dump(mode="json"),
        "bands": ["red", "green", "blue"],
        "dates": 1,
        "tile": tile,
        "statistics": {"mean": [[0.45] * 3], "std": [[0.2] * 3]},
    }
    weights = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    save_bundle(folder, description, weights)
    return folder


def pictures(count: int, side: int) -> list[np.ndarray]:
    """Return pictures of bright rectangles on dark ground, (side, side, 3) uint8."""
    shown = []
    for number in range(count):
        rng = np.random.default_rng([number, 21])
        picture = np.full((side, side, 3), 70.0)
        for _ in range(30):
            y, x = rng.integers(0, side, 2)
            tall, wide = rng.integers(8, 40, 2)
            picture[y : y + tall, x : x + wide] = rng.uniform(120, 230, 3)
        picture += rng.normal(0, 8, picture.shape)
        shown.append(np.clip(picture, 0, 255).astype(np.uint8))
    return shown


def held(picture: np.ndarray) -> Held:
    """Return a picture as the service holds it."""
    raw = np.moveaxis(picture, 2, 0)[None].astype(np.uint16)
    valid = np.ones((1, *picture.shape[:2]), bool)
    grid = Grid.of_pixels(*picture.shape[:2])
    bands = ("red", "green", "blue")
    return Held(raw, valid, grid, bands, ("date 1",), {"date 1": 1 / 255}, {"date 1": 0.0})


def expected_answers(model: Model, images: list[np.ndarray]) -> list[bytes]:
    """Return the mask that each picture must be answered with."""
    batcher = Batcher()
    legend = Legend(model.predictor.table, model.target)
    answers = []
    for picture in images:
        levels, _ = predict_in_memory(held(picture), model, batcher, lambda: False)
        ids = legend.ids(levels, None, legend.level(model.threshold))
        answers.append(mask_png(ids, legend.table))
    batcher.close()
    return answers


def loop_rate(model: Model, images: list[np.ndarray], seconds: float) -> tuple[float, float]:
    """Return windows a second of the model called directly in a loop, and CPU seconds of each."""
    windows = [held(picture) for picture in images]
    model.windows(windows[0].raw[None], windows[0].valid[None], [1 / 255], [0.0])
    count, start, work = 0, time.perf_counter(), time.process_time()
    while (taken := time.perf_counter() - start) < seconds:
        window = windows[count % len(windows)]
        model.windows(window.raw[None], window.valid[None], [1 / 255], [0.0])
        count += 1
    return count / taken, (time.process_time() - work) / count


def request_of(picture: np.ndarray) -> bytes:
    """Return the bytes of a request with a picture."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    head = b'Content-Disposition: form-data; name="image"; filename="i.png"\r\n'
    kind = b"Content-Type: image/png\r\n\r\n"
    body = b"--" + _BOUNDARY + b"\r\n" + head + kind + buffer.getvalue()
    body += b"\r\n--" + _BOUNDARY + b"--\r\n"
    lines = [
        b"POST /segment HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Content-Type: multipart/form-data; boundary=" + _BOUNDARY,
        b"Content-Length: " + str(len(body)).encode(),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> tuple:
    """Send a request and return status and body of the answer."""
    writer.write(request)
    await writer.drain()
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    return int(head.split(" ")[1]), await reader.readexactly(length)


async def load(
    port: int, requests: list[bytes], answers: list[bytes], count: int, together: int, process: int
) -> Tally:
    """Send `count` requests, `together` at a time, and look at every answer."""
    tally, numbers = Tally(), iter(range(count))
    service = psutil.Process(process)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            which = number % len(requests)
            start = time.perf_counter()
            try:
                status, body = await ask(reader, writer, requests[which])
            except (OSError, asyncio.IncompleteReadError):
                tally.lost += 1
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            tally.seconds.append(time.perf_counter() - start)
            if status == 429:
                tally.refused += 1
            elif status == 200 and body == answers[which]:
                tally.right += 1
            else:
                tally.wrong += 1
            if number % max(1, count // 20) == 0:
                tally.memory.append(service.memory_info().rss / 2**20)
        writer.close()

    await asyncio.gather(*(work() for _ in range(together)))
    return tally


def start(folder: Path, bundle: Path, threads: int) -> tuple[subprocess.Popen, int]:
    """Start a service and return its process and port."""
    command = [sys.executable, "-m", "nadir", "serve", f"model={bundle}", "--port", "0"]
    command += ["--threads", str(threads), "--state", str(folder / "state")]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=(folder / "service.log").open("w"),
        text=True,
        env={**os.environ},
    )
    line = process.stdout.readline()
    if "http://" not in line:
        raise RuntimeError((folder / "service.log").read_text()[-2000:])
    return process, int(line.split("/ (")[0].rsplit(":", 1)[1])


def cpu_seconds(process: int) -> float:
    """Return the CPU time that a process has used."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def run(folder: Path, options: argparse.Namespace) -> dict:
    """Run the benchmark and return its figures."""
    import torch

    torch.set_num_threads(options.threads)
    bundle = options.bundle or random_bundle(folder / "model", options.width, options.side)
    model = load_model("model", bundle, "cpu", options.threads)
    images = pictures(options.pictures, options.side)
    requests, answers = [request_of(item) for item in images], expected_answers(model, images)
    process, port = start(folder, bundle, options.threads)
    loops, took, parts = [loop_rate(model, images, options.loop_seconds)], 0.0, []
    try:
        warm = min(200, options.requests)
        asyncio.run(load(port, requests, answers, warm, options.together, process.pid))
        before = psutil.Process(process.pid).memory_info().rss / 2**20
        work = cpu_seconds(process.pid)
        share = -(-options.requests // options.rounds)
        for _ in range(options.rounds):  # the loop in between, since machines are not steady
            began = time.perf_counter()
            parts.append(
                asyncio.run(load(port, requests, answers, share, options.together, process.pid))
            )
            took += time.perf_counter() - began
            loops.append(loop_rate(model, images, options.loop_seconds))
        after = psutil.Process(process.pid).memory_info().rss / 2**20
        work = cpu_seconds(process.pid) - work
    finally:
        process.terminate()
        process.wait(150)
    seconds = np.concatenate([part.seconds for part in parts])
    count = share * options.rounds
    rate, direct = count / took, float(np.mean([rate for rate, _ in loops]))
    return {
        "requests": count,
        "together": options.together,
        "right": sum(part.right for part in parts),
        "wrong": sum(part.wrong for part in parts),
        "lost": sum(part.lost for part in parts),
        "refused": sum(part.refused for part in parts),
        "megabytes": {
            "before": round(before, 1),
            "after": round(after, 1),
            "during": [round(value) for part in parts for value in part.memory],
        },
        "milliseconds": {
            str(percent): round(1000 * float(np.percentile(seconds, percent)), 1)
            for percent in (50, 95, 99)
        },
        "requests_a_second": round(rate, 2),
        "loop_a_second": [round(value, 2) for value, _ in loops],
        "share_of_loop": round(rate / direct, 3),
        # What no other program on the machine can change by much.
        "cpu_milliseconds": {
            "a request": round(1000 * work / count, 2),
            "a call in the loop": round(1000 * float(np.mean([each for _, each in loops])), 2),
        },
    }


def main() -> None:
    """Read the options, run, and print figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="a model of 8-bit RGB; by default random")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--together", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=64, help="different ones")
    parser.add_argument("--side", type=int, default=256, help="of pictures and windows, in pixels")
    parser.add_argument("--width", type=int, default=16, help="of the random U-Net")
    parser.add_argument("--threads", type=int, default=1, help="of the model")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loop-seconds", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nadir-load-") as folder:
        print(json.dumps(run(Path(folder), options), indent=1))


if __name__ == "__main__":
    main()
