"""Aligning a mask ten times finer than the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task
from speed.inputs import (
    CLASSES,
    FINER,
    align,
    empty_image,
    folder_of,
    small_cache,
    write_mask,
)

_SIDE = 1024
_BOTH = "nadir, mode and all shares"
_GROWN = {1: "nadir, half the side", 2: "nadir, shards of 512", 4: "nadir, twice the side"}
_MODES = ("gdalwarp -r mode", "rasterio reproject, mode", "odc-geo, mode")


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "align",
        f"align: a mask of {_SIDE * FINER} x {_SIDE * FINER} pixels, {FINER} times finer",
        [
            Contestant(_BOTH, _nadir, ours=True),
            Contestant("decoding alone", _decode),
            Contestant(_MODES[0], _gdalwarp, program="gdalwarp"),
            Contestant(_MODES[1], _rasterio),
            Contestant(_MODES[2], _odc, needs=("odc.geo", "rioxarray", "dask"), times=2),
            Contestant(
                "xarray coarsen, all shares",
                _xarray,
                needs=("rioxarray", "dask"),
                times=1,
                warm=False,
            ),
            *(Contestant(_GROWN[k], partial(_grown, k), ours=True) for k in _GROWN),
        ],
        [
            Claim(_BOTH, _MODES[0], "faster", 6),
            Claim(_BOTH, "decoding alone", "within", 1.5),
            Claim(_GROWN[4], _GROWN[2], "each", 1.15, 4),
            Claim(_GROWN[4], _GROWN[2], "memory", 1.15),
        ],
        prepare,
        compare,
    )


def prepare(case: Case) -> None:
    """Make masks and the images whose grids they are aligned with."""
    for k in _GROWN:
        mask, image = _paths(case, k)
        write_mask(mask, _side(case, k) * FINER)
        empty_image(image, _side(case, k))


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that each mode is a most frequent class of its pixel, and that shares are equal."""
    shares = given[_BOTH]["fraction"]  # in hundredths, no data first
    told = {}
    for name in given:
        if "mode" in given[name]:
            mode = given[name]["mode"]
            of_it = np.take_along_axis(shares, mode[None].astype(np.int64), axis=0)[0]
            assert (of_it == shares.max(axis=0)).all(), f"{name}: not the most frequent class"
            ties = float((mode != given[_BOTH]["mode"]).mean())
            told[name] = "equal" if not ties else f"equal, but for ties in {ties:.2%} of pixels"
        if name != _BOTH and "fraction" in given[name]:
            theirs = given[name]["fraction"]
            assert np.abs(theirs * 100 - shares[1:]).max() < 1e-3, f"{name}: other shares"
            told[name] = "equal"
    return told


def _side(case: Case, k: int) -> int:
    return case.side(_SIDE * k // 2)


def _paths(case: Case, k: int = 2) -> tuple[Path, Path]:
    folder = folder_of(case)
    return folder / f"mask_{k}.tif", folder / f"image_{k}.tif"


def _nadir(case: Case) -> Task:
    mask, image = _paths(case)

    def work() -> Any:
        return align(mask, image, case.fresh("nadir") / "labels.manifest.json", case.threads)

    def probe() -> dict[str, np.ndarray]:
        labels = work()
        box = (0, 0, *labels.shape)
        return {"mode": labels.hard(*box), "fraction": labels.fraction(*box)}

    return Task(work, probe, "one pass gives both, stored with their digests")


def _grown(k: int, case: Case) -> Task:
    small_cache()
    from nadir.config.classes import CATALONIA
    from nadir.config.scenes import CubeConfig, LabelConfig
    from nadir.raster.labels import align_labels

    mask, image = _paths(case, k)
    grid = _grid(image)
    small = CubeConfig(shard=512)

    def work() -> None:
        out = case.fresh(f"nadir_{k}") / "labels.manifest.json"
        align_labels(mask, grid, CATALONIA, LabelConfig(), out, {}, small, case.threads)

    return Task(work, lambda: None, f"mask of {grid.width * FINER} pixels a side")


def _grid(image: Path) -> Any:
    import rasterio

    from nadir.raster.grid import Grid

    with rasterio.open(image) as file:
        return Grid.of(file)


def _decode(case: Case) -> Task:
    import rasterio
    from rasterio.windows import Window

    mask, _ = _paths(case)
    piece = 2048

    def rows(first: int) -> None:
        with rasterio.open(mask) as file:
            for column in range(0, file.width, piece):
                file.read(1, window=Window(column, first, piece, min(piece, file.height - first)))

    def work() -> None:
        with rasterio.open(mask) as file:
            height = file.height
        with ThreadPoolExecutor(case.threads) as pool:
            list(pool.map(rows, range(0, height, piece)))

    return Task(work, note=f"rasterio, windows of {piece} pixels")


def _gdalwarp(case: Case) -> Task:
    import subprocess

    mask, _ = _paths(case)
    command = ["gdalwarp", "-q", "-overwrite", "-r", "mode", "-tr", "10", "10", "-multi"]
    command += ["-wo", f"NUM_THREADS={case.threads}", "-co", "TILED=YES", str(mask)]
    out = case.fresh("gdalwarp") / "mode.tif"

    def work() -> None:
        subprocess.run([*command, str(out)], check=True)

    return Task(work, lambda: {"mode": _read(out)})


def _read(path: Path) -> np.ndarray:
    import rasterio

    with rasterio.open(path) as file:
        return file.read(1)


def _rasterio(case: Case) -> Task:
    import rasterio
    from rasterio.warp import Resampling, reproject

    mask, image = _paths(case)

    def work() -> np.ndarray:
        with rasterio.open(mask) as file, rasterio.open(image) as like:
            found = np.zeros(like.shape, np.uint8)
            reproject(
                rasterio.band(file, 1),
                found,
                dst_transform=like.transform,
                dst_crs=like.crs,
                resampling=Resampling.mode,
                num_threads=case.threads,
            )
        return found

    return Task(lambda: {"mode": work()})


def _odc(case: Case) -> Task:
    import dask
    import rioxarray
    from odc.geo.xr import ODCExtensionDa, xr_reproject

    mask, image = _paths(case)
    box = ODCExtensionDa(rioxarray.open_rasterio(image)).geobox

    def work() -> dict[str, np.ndarray]:
        fine = rioxarray.open_rasterio(mask, chunks={"x": 2560, "y": 2560})[0]
        with dask.config.set(scheduler="threads", num_workers=case.threads):
            lazy = xr_reproject(fine, box, resampling="mode", chunks=(256, 256))
            return {"mode": lazy.compute().values}

    return Task(work)


def _xarray(case: Case) -> Task:
    import dask
    import rioxarray
    import xarray

    mask, _ = _paths(case)
    cut = math.ceil(2560 / FINER) * FINER

    def work() -> dict[str, np.ndarray]:
        fine = rioxarray.open_rasterio(mask, chunks={"x": cut, "y": cut})[0]
        shares = [
            (fine == number).coarsen(x=FINER, y=FINER).mean() for number in range(1, CLASSES + 1)
        ]
        with dask.config.set(scheduler="threads", num_workers=case.threads):
            return {"fraction": xarray.concat(shares, "class").compute().values}

    return Task(work)
