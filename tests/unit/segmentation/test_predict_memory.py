"""Peak memory of mapping a scene does not grow with the scene."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, resource, sys
from pathlib import Path
from types import SimpleNamespace
import numpy as np
from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.raster.grid import Grid
from nadir.segmentation.predict import predict_map
from nadir.segmentation.predictor import Predictor

folder, side, K = Path(sys.argv[1]), int(sys.argv[2]), 4
table = ClassTable.model_validate({"classes": [
    {"value": k, "name": f"class {k}", "color": f"#0000{k:02x}"} for k in range(1, K + 1)]})
save_bundle(folder / "model", {
    "classes": table.model_dump(mode="json"), "bands": ["a"], "dates": 1, "tile": 256,
    "statistics": {"mean": [[0.1]], "std": [[0.1]]}}, {"w": np.zeros(1, np.float32)})

class Cheap(Predictor):
    def _probabilities(self, raw, valid, gain, bias):
        first = (raw[:, 0, :1] % 97).astype(np.float32) / 97
        return np.concatenate([first, 1 - first, first * 0, first * 0], 1)

def read(y, x, height, width):
    ramp = (np.arange(y, y + height)[:, None] * 31 + np.arange(x, x + width) // 8 * 17) % 4000
    return ramp.astype(np.uint16)[None, None], np.ones((1, height, width), bool)

cube = SimpleNamespace(
    grid=Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), side, side), read=read,
    manifest=SimpleNamespace(digest="x"), path=Path("cube"), bands=("a",), dates=("d",),
    scale={"d": 1e-4}, offset={"d": 0.0})
cfg = PredictConfig(overlap=0.25, batch_size=8)
predict_map(cube, Cheap(load_bundle(folder / "model")), cfg, folder / "map.tif", progress=False)
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


@pytest.mark.slow
def test_memory_is_flat(tmp_path: Path) -> None:
    peaks = {}
    for side in (2048, 4096, 8192):
        folder = tmp_path / str(side)
        folder.mkdir()
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT, str(folder), str(side)],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        peaks[side] = json.loads(done.stdout)
    assert peaks[8192] < peaks[2048] * 1.15 + 20, f"MiB by side: {peaks}"
