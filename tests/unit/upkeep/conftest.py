"""Small folders of results made by code, with Snakemake's records beside them."""

from __future__ import annotations

import base64
import hashlib
import json

import numpy as np
import pytest
import rasterio
from PIL import Image
from safetensors.numpy import save_file

from nadir.provenance.archive import pack_archive


@pytest.fixture
def record(tmp_path):
    """Return a function that records a product as Snakemake 9 does."""

    def write(product, rule, ended=2e9, inputs=(), incomplete=False):
        sums = {
            name: "sha256:" + hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
            for name in inputs
        }
        name = base64.urlsafe_b64encode(product.encode()).decode()
        parts = [name[i : i + 254] for i in range(0, len(name), 254)]
        parts = ["@" + part for part in parts[:-1]] + parts[-1:]
        path = (tmp_path / ".snakemake" / "metadata").joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"rule": rule, "endtime": ended, "incomplete": incomplete}
        path.write_text(json.dumps({**content, "input_checksums": sums}))

    return write


@pytest.fixture
def results(tmp_path, record):
    """A folder of results: a store, and a file of each of the usual formats."""
    from nadir.groundview.view_store import write_views  # seconds, which few tests need

    folder = tmp_path / "results"
    job = folder / "groundview" / "valley"
    views = np.random.default_rng(0).integers(0, 256, (3, 2, 3, 20, 20), np.uint8)
    write_views(job / "nadir" / "views.manifest.json", ["a", "b", "c"], views)
    record("results/groundview/valley/nadir/views.manifest.json", "generate_views")
    noise = np.random.default_rng(1).integers(0, 256, (300, 300), np.uint8)
    Image.fromarray(noise).save(job / "figure.png")
    Image.fromarray(noise).save(job / "photo.jpg")
    with rasterio.open(
        job / "map.tif", "w", driver="GTiff", count=1, height=300, width=300, dtype="uint8",
        crs="EPSG:32631", transform=rasterio.Affine(10, 0, 4e5, 0, -10, 46e5),
        tiled=True, blockxsize=256, blockysize=256, compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(noise, 1)
    (job / "metrics.json").write_text('{"iou": 0.5}\n')
    (job / "page.html").write_text("<!DOCTYPE html><html>…</html>\n")
    save_file({"w": np.arange(1000, dtype=np.float32)}, job / "model.safetensors")
    pack_archive(job / "submission.zip", {"a.txt": bytes(noise)})
    for name in ("figure.png", "map.tif", "metrics.json", "model.safetensors"):
        record(f"results/groundview/valley/{name}", f"make_{name.partition('.')[0]}")
    return folder
