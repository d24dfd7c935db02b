"""The recipe of Catalonia on a GPU: 8,000 tiles, ResNet50 U-Net, 100 epochs, on random data.

Some epochs are trained through nadir's own training, validation included; the seconds are those of
a hundred such epochs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task
from speed.inputs import BANDS, CLASSES

_TILES, _TILE, _EPOCHS, _TRAINED, _BATCH = 8000, 300, 100, 4, 32
_WORKERS = 8
_NADIR, _SEED = "nadir, resident on the GPU", "one GeoTIFF a tile, worker processes, 32 bits"
_PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 operations a second, by the makers' sheets."""


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "recipe",
        f"recipe: {_TILES} tiles of {_TILE} x {_TILE} x {len(BANDS)} x 2 dates, ResNet50 U-Net, "
        f"{_EPOCHS} epochs",
        [
            Contestant(_NADIR, _nadir, ours=True, times=1, warm=False),
            Contestant(_SEED, _seed, times=1, warm=False),
        ],
        [Claim(_NADIR, "", "seconds", 300), Claim(_NADIR, _SEED, "faster", 6)],
        None,
        rounds=1,
        devices=("cuda",),
    )


class RandomCube:
    """A cube of any size whose values repeat those of a small random block."""

    def __init__(self, block: int = 1024) -> None:
        random = np.random.default_rng(0)
        self.dates = ("date_0", "date_1")
        self.scale: Mapping[str, float] = dict.fromkeys(self.dates, 1e-4)
        self.offset: Mapping[str, float] = dict.fromkeys(self.dates, 0.0)
        self._raw = random.integers(1500, 3500, (2, len(BANDS), block, block), np.uint16)

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a window, as cubes do."""
        rows, columns = _repeated(y, height, self._raw), _repeated(x, width, self._raw)
        return self._raw[:, :, rows][..., columns], np.ones((2, height, width), bool)


class RandomLabels:
    """Labels of any size that repeat those of a small random block."""

    fraction_scale = 100

    def __init__(self, block: int = 1024) -> None:
        random = np.random.default_rng(1)
        patches = random.integers(1, CLASSES + 1, (block // 16, block // 16), np.uint8)
        self._hard = patches.repeat(16, 0).repeat(16, 1)

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return a window of ids."""
        rows, columns = _repeated(y, height, self._hard), _repeated(x, width, self._hard)
        return self._hard[rows][:, columns]

    def fraction(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return a window of whole shares."""
        ids = np.arange(CLASSES + 1, dtype=np.uint8)[:, None, None]
        return (self.hard(y, x, height, width) == ids).astype(np.uint8) * np.uint8(100)


def _repeated(first: int, count: int, block: np.ndarray) -> np.ndarray:
    return np.arange(first, first + count) % block.shape[-1]


def _nadir(case: Case) -> Task:
    import torch

    from nadir.config.experiments import TrainConfig
    from nadir.config.networks import UNet
    from nadir.segmentation.fitting import fit_network
    from nadir.segmentation.patches import Scene, Window
    from nadir.segmentation.train import MapSession
    from speed.scenes import training_data

    count = case.count(_TILES, 64)
    along = int(np.ceil(np.sqrt(count)))
    windows = [Window(0, k // along * _TILE, k % along * _TILE, _TILE) for k in range(count)]
    data = training_data(Scene(RandomCube(), RandomLabels()), windows, 2, len(BANDS))
    cfg = TrainConfig.model_validate(
        {"epochs": _TRAINED, "batch_size": _BATCH, "augment": {"dihedral": "random"}}
    )
    folder = case.fresh("nadir")
    operations = _operations(UNet())

    def epoch() -> float:
        session = MapSession(
            work=folder / "work",
            folder=folder / "model",
            device="cuda",
            threads=case.threads,
            memory=int(torch.cuda.mem_get_info()[0] * 0.8),
        )
        for path in (session.work, session.folder):
            path.mkdir(exist_ok=True)
        fit_network(data, UNet(), cfg, session)
        return _an_epoch(session.folder / "history.parquet")

    def told(seconds: float) -> tuple[float, str]:
        name, rate = torch.cuda.get_device_name(), count / seconds
        peak = next((most for kind, most in _PEAKS.items() if kind in name), 0.0)
        used = f", {rate * operations / peak:.0%} of its peak" if peak else ""
        return seconds * _EPOCHS, f"{rate:.0f} images/s on {name}{used}"

    return Task(epoch, lambda: None, told=told)


def _an_epoch(history: Path) -> float:
    """Return the seconds of an epoch, the first one left out."""
    import pandas as pd

    seconds = pd.read_parquet(history)["seconds"].tolist()
    return statistics.median(seconds[1:] or seconds)


def _operations(model: Any) -> float:
    """Return the operations of a training step on one tile: forward, and twice that backward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from nadir.segmentation.models.registry import build_model

    network = build_model(model, 2 * len(BANDS), CLASSES, pretrained=False).cuda().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 2 * len(BANDS), _TILE, _TILE, device="cuda"))
    return 3.0 * counter.get_total_flops()


def _seed(case: Case) -> Task:
    """Return some hundred tiles as files through a loader and the same network, without bf16."""
    import time

    import torch
    from torch.utils.data import DataLoader

    from nadir.config.networks import UNet
    from nadir.segmentation.models.registry import build_model
    from speed.tiles import TileFiles, write_tiles

    count = 640
    folder = case.folder / "tiles"
    write_tiles(folder, min(count, 160))
    loader = DataLoader(
        TileFiles(folder, count), 12, num_workers=min(_WORKERS, case.threads), drop_last=True
    )
    network = build_model(UNet(), 2 * len(BANDS), CLASSES, pretrained=False).cuda().train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    criterion = torch.nn.CrossEntropyLoss()

    def epoch() -> float:
        begin, seen = 0.0, 0
        for number, (image, label) in enumerate(loader):
            if number == 4:  # workers have started
                torch.cuda.synchronize()
                begin, seen = time.perf_counter(), 0
            optimizer.zero_grad()
            loss = criterion(network(image.cuda()), label.cuda())
            loss.backward()
            optimizer.step()
            seen += len(image)
        torch.cuda.synchronize()
        return (time.perf_counter() - begin) / seen * case.count(_TILES, 64) * _EPOCHS

    note = "of a tenth of an epoch; its validation is left out"
    return Task(epoch, lambda: None, told=lambda value: (float(value), note))
