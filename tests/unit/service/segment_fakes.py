"""A tiny segmentation model, pictures of roofs, and files that are faulty in many ways."""

from __future__ import annotations

import io
import time
import zlib

import numpy as np
import rasterio
from PIL import Image
from rasterio.io import MemoryFile

from nadir.config.classes import ClassTable
from nadir.learn.bundle import save_bundle

TILE = 64
TABLE = ClassTable.model_validate(
    {
        "classes": [
            {"value": 0, "name": "background", "color": "#d9d9d9"},
            {"value": 255, "name": "building", "color": "#c0392b"},
        ],
        "nodata": [],
    }
)
COVER = ClassTable.model_validate(
    {
        "classes": [
            {"value": 1, "name": "field", "color": "#e8d36a"},
            {"value": 2, "name": "forest", "color": "#1f6b35"},
            {"value": 3, "name": "town", "color": "#c0392b"},
        ]
    }
)


def save_network(folder, seed=0, table=TABLE, bands=("red", "green", "blue"), width=4):
    """Write the bundle of a small U-Net with random weights that says something on every pixel."""
    import torch

    from nadir.config.experiments import UNetScratch
    from nadir.segmentation.models.registry import build_model

    torch.manual_seed(seed)
    cfg = UNetScratch(width=width, depth=2)
    model = build_model(cfg, len(bands), table.count, pretrained=False).eval()
    with torch.no_grad():  # so that all probabilities occur
        shown = torch.from_numpy(roofs(64, 64)[..., :1] / 64.0 - 2).float().permute(2, 0, 1)
        answers = model(shown.expand(1, len(bands), -1, -1))
        names = [name for name in model.state_dict() if name.endswith(("weight", "bias"))]
        state = model.state_dict()
        factor = 2 / float(answers.std(dim=(2, 3)).mean())
        state[names[-2]] *= factor
        state[names[-1]] -= answers.mean(dim=(0, 2, 3))
        state[names[-1]] *= factor
    weights = {name: tensor.numpy() for name, tensor in state.items()}
    description = {
        "task": "land-cover segmentation",
        "model": cfg.model_dump(mode="json"),
        "classes": table.model_dump(mode="json"),
        "bands": list(bands),
        "dates": 1,
        "tile": TILE,
        "statistics": {"mean": [[0.45] * len(bands)], "std": [[0.2] * len(bands)]},
    }
    save_bundle(folder, description, weights)
    return folder


def roofs(height, width, seed=0):
    """Return (height, width, 3) uint8: bright rectangles on a dark ground, with grain."""
    rng = np.random.default_rng([seed, 11])
    picture = np.full((height, width, 3), 70.0)
    for _ in range(max(3, height * width // 900)):
        y, x = rng.integers(0, height), rng.integers(0, width)
        tall, wide = rng.integers(6, 20, 2)
        picture[y : y + tall, x : x + wide] = rng.uniform(120, 230, 3)
    picture += rng.normal(0, 12, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def geotiff(pixels, crs="EPSG:32631", step=0.5, **options):
    """Return pixels (h, w, bands) as the bytes of a GeoTIFF near Barcelona."""
    height, width, bands = pixels.shape
    place = {"crs": crs, "transform": rasterio.Affine(step, 0, 430_000, 0, -step, 4_582_000)}
    scales = options.pop("scales", None)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=height,
            width=width,
            count=bands,
            dtype=pixels.dtype,
            **(place if crs else {}),
            **options,
        ) as dataset:
            dataset.write(np.moveaxis(pixels, 2, 0))
            if scales:
                dataset.scales, dataset.offsets = [scales[0]] * bands, [scales[1]] * bands
        return memory.read()


def png(pixels, **options):
    """Return pixels as the bytes of a PNG."""
    return encoded(pixels, "PNG", **options)


def encoded(pixels, kind, **options):
    """Return pixels as the bytes of a file."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
    return buffer.getvalue()


def bomb(side=60_000):
    """Return a small PNG that unpacks to side x side pixels of zeros (in its header, at least)."""

    def chunk(kind, data):
        body = kind + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    size = side.to_bytes(4, "big")
    head = chunk(b"IHDR", size + size + bytes([8, 2, 0, 0, 0]))
    rows = zlib.compress(bytes((3 * side + 1) * 40), 9)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def wait_for(client, job, states=("done", "failed", "cancelled"), seconds=120.0):
    """Ask for a job until it is in one of some states, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        told = client.get(f"/jobs/{job}").json()
        if told["state"] in states:
            return told
        time.sleep(0.02)
    raise AssertionError(f"job {job} is still {told}")
