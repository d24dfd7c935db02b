"""A small data set made by code, and the real commands run on it inside the test's process."""

from __future__ import annotations

import errno
import json
import os
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from nadir.cli.main import main

BANDS = ["B02", "B04", "B08"]
SIDE = 64
LEFT, TOP = 400000.0, 4600000.0
CLASSES = {
    "classes": [
        {"value": 10, "name": "forest", "color": "#1f6b35"},
        {"value": 20, "name": "crops", "color": "#e8d36a"},
    ]
}
_SPECTRA = np.array([[400, 300, 3500], [900, 1500, 2600]])


def ground() -> np.ndarray:
    """Return the class (0 or 1) of each pixel, (SIDE, SIDE): stripes, both in every tile."""
    return np.broadcast_to(np.arange(SIDE) // 4 % 2, (SIDE, SIDE))


def reflectance(seed: int = 0) -> np.ndarray:
    """Return plausible reflectance in ten-thousandths, (band, y, x) integers."""
    noise = np.random.default_rng(seed).integers(-80, 80, (len(BANDS), SIDE, SIDE))
    return np.moveaxis(_SPECTRA[ground()], -1, 0) + noise


def write_tif(path: Path, data: np.ndarray, resolution: float = 10.0, **options: Any) -> None:
    """Write (band, y, x) as a GeoTIFF; `bands` names its bands, `baseline` goes into its tags."""
    bands, baseline = options.pop("bands", ()), options.pop("baseline", None)
    place = {"crs": "EPSG:32631", "transform": from_origin(LEFT, TOP, resolution, resolution)}
    count, height, width = data.shape
    shape = {"count": count, "height": height, "width": width, "dtype": data.dtype}
    path.unlink(missing_ok=True)
    with rasterio.open(path, "w", driver="GTiff", **{**place, **shape, **options}) as file:
        file.write(data)
        if bands:
            file.descriptions = tuple(bands)
        if baseline:
            file.update_tags(PROCESSING_BASELINE=baseline)


@dataclass
class Commands:
    """Raw files of one scene, the settings of every command, and where results go.

    Attributes:
        raw: Folder of the raw files.
        out: Folder of the results.
        image: Settings of each date's imagery beside its file.
    """

    raw: Path
    out: Path
    image: dict[str, Any] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=lambda: [16])
    split: dict[str, Any] = field(
        default_factory=lambda: {"method": "random", "fractions": [0.5, 0.25, 0.25]}
    )
    model: dict[str, Any] = field(
        default_factory=lambda: {"name": "unet_scratch", "width": 4, "depth": 2}
    )
    train: dict[str, Any] = field(default_factory=lambda: {"epochs": 1, "batch_size": 4})

    def write(self) -> Commands:
        """Write sound raw files: two dates of one ground, and a mask ten times finer."""
        self.raw.mkdir(parents=True, exist_ok=True)
        values = reflectance()
        # Equal ground under an old and a new processing baseline: raw values differ by 1000.
        new, old = (values + 1000).astype(np.uint16), values.astype(np.uint16)
        write_tif(self.june, new, bands=BANDS, baseline="05.10")
        write_tif(self.august, old, bands=BANDS, baseline="03.01")
        fine = np.kron(ground(), np.ones((10, 10), np.uint8)) * 10 + 10
        write_tif(self.mask, fine[None].astype(np.uint8), 1.0, compress="deflate")
        return self

    @property
    def june(self) -> Path:
        """Imagery of baseline 05.10."""
        return self.raw / "june.tif"

    @property
    def august(self) -> Path:
        """Imagery of baseline 03.01."""
        return self.raw / "august.tif"

    @property
    def mask(self) -> Path:
        """The fine mask."""
        return self.raw / "mask.tif"

    def path(self, name: str) -> Path:
        """Return a result by its name, with the folders that the graph gives it."""
        scene = ("images.json", "check.json", "cube.manifest.json", "labels.manifest.json")
        if name in (*scene, "tiles.parquet"):
            return self.out / "landcover/d/scenes/s" / name
        if name in ("split.parquet", "statistics.json"):
            return self.out / "landcover/d" / name
        if name == "map.tif":
            return self.out / "landcover/d/u/scenes/s/map.tif"
        return self.out / "landcover/d/u" / name

    def words(self, verb: str, out: Path | None = None) -> list[str]:
        """Return the command line of a verb.

        Args:
            verb: The verb.
            out: Folder of what it makes, where that differs from the folder of what it reads.
        """
        there = Commands(self.raw, out or self.out)
        dates = {
            name: {"file": str(path), **self.image}
            for name, path in (("june", self.june), ("august", self.august))
        }
        scene = {"dates": dates, "mask": {"file": str(self.mask)}}
        cube, labels = self.path("cube.manifest.json"), self.path("labels.manifest.json")
        tiles, split = self.path("tiles.parquet"), self.path("split.parquet")
        given: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
            "check-images": (
                "images.json",
                ["--scene", "s"],
                {"dates": {"dates": dates}, "bands": BANDS},
            ),
            "check-scene": (
                "check.json",
                ["--scene", "s"],
                {"scene": scene, "bands": BANDS, "classes": CLASSES, "sizes": self.sizes},
            ),
            "build-cube": (
                "cube.manifest.json",
                ["--threads", 1],
                {"dates": {"dates": dates}, "bands": BANDS, "cube": {"chunk": 16, "shard": 64}},
            ),
            "align-labels": (
                "labels.manifest.json",
                ["--mask", self.mask, "--cube", cube, "--threads", 1],
                {"classes": CLASSES, "labels": {}, "cube": {"chunk": 16, "shard": 64}},
            ),
            "index-tiles": (
                "tiles.parquet",
                ["--scene", "s", "--cube", cube, "--labels", labels],
                {"tiles": {"sizes": self.sizes}, "classes": CLASSES},
            ),
            "split-tiles": ("split.parquet", ["--tiles", tiles], {"split": self.split, "seed": 0}),
            "compute-statistics": (
                "statistics.json",
                ["--split", split, "--cubes", cube, "--labels", labels],
                {"classes": CLASSES},
            ),
            "train-model": (
                "model/model.safetensors",
                [
                    *("--cubes", cube, "--labels", labels, "--split", split, "--threads", 1),
                    *("--statistics", self.path("statistics.json")),
                    *("--history", there.path("history.parquet")),
                ],
                {"model": self.model, "train": self.train, "classes": CLASSES, "seed": 0},
            ),
            "predict-map": (
                "map.tif",
                ["--model", self.path("model/model.safetensors"), "--cube", cube, "--threads", 1],
                {"predict": {}, "classes": CLASSES},
            ),
            "pack-submission": (
                "submission.zip",
                ["--maps", self.path("map.tif"), "--cubes", cube],
                {"classes": CLASSES},
            ),
        }
        name, options, cfg = given[verb]
        return [
            *(verb, "--out", str(there.path(name)), "--cfg", json.dumps(cfg)),
            *map(str, options),
        ]

    def run(self, *verbs: str) -> Commands:
        """Run commands that must succeed."""
        for verb in verbs:
            assert main(self.words(verb)) == 0, verb
        return self


def error_of(capsys: pytest.CaptureFixture[str], words: list[str], out: Path) -> str:
    """Run a command that must fail as every bad input fails, and return its one error line.

    Args:
        capsys: Pytest's.
        words: The command line.
        out: Folder that it would write into, in which nothing may be left but kept state.
    """
    before = files(out)
    code = main(words)
    printed = capsys.readouterr().err
    assert code == 2, printed
    assert "Traceback" not in printed
    errors = [line for line in printed.splitlines() if line.startswith("nadir: error: ")]
    assert len(errors) == 1, printed
    assert files(out) == before, "it left something behind"
    return printed[printed.index("nadir: error: ") :].removeprefix("nadir: error: ")


def files(folder: Path) -> set[Path]:
    """Return all files of a folder, and what is half-written.

    The state from which a training or a prediction goes on, and what TensorBoard shows of it, are
    meant to stay.
    """
    kept = {".cache", "tensorboard"}
    found = {path for path in folder.rglob("*") if path.is_file() or ".partial" in path.name}
    return {path for path in found if not kept & set(path.parts) or ".partial" in path.name}


def half_written(name: str) -> Callable[..., None]:
    """Return a writer that meets a full disk when all is written but the last bytes.

    Args:
        name: Dotted name of the writer that it takes the place of.
    """
    writer = pkgutil.resolve_name(name)

    def write(*given: object, **named: object) -> None:
        writer(*given, **named)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return write
