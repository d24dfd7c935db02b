"""From GeoTIFFs of two dates to a cube."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task, growth
from speed.inputs import BANDS, build_cube, folder_of, image_source, small_cache, write_image

_SIDE = 2048
_DATES = 2
_NADIR, _PEER = "nadir build-cube", "rioxarray .to_zarr"
_DECODE, _ENCODE = "decoding alone", "decoding and encoding alone"
_GROWN = {
    1: "nadir, 4 bands, half the side",
    2: "nadir, 4 bands",
    4: "nadir, 4 bands, twice the side",
}


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "cube",
        f"cube: {_DATES} GeoTIFFs of {len(BANDS)} x {_SIDE} x {_SIDE} uint16 to Zarr",
        [
            Contestant(_NADIR, _nadir, ours=True, times=2),
            Contestant(_DECODE, _decode, times=2),
            Contestant(_ENCODE, _encode, times=2),
            Contestant(_PEER, _rioxarray, needs=("rioxarray", "zarr", "dask"), times=2),
            *(Contestant(_GROWN[k], partial(_grown, k), ours=True, times=2) for k in _GROWN),
        ],
        [
            Claim(_NADIR, _PEER, "faster", 2),
            Claim(_NADIR, _ENCODE, "within", 1.5),
            *growth(_GROWN),
        ],
        prepare,
        compare,
    )


def prepare(case: Case) -> None:
    """Make the images."""
    for date in range(_DATES):
        write_image(_image(case, date), case.side(_SIDE), len(BANDS), date)
    for k in _GROWN:
        write_image(_small(case, k), case.side(_SIDE * k // 2), 4, 7)


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that every store holds the same values."""
    for name, one in given.items():
        assert (one["values"] == given[_NADIR]["values"]).all(), f"{name}: other values"
    return dict.fromkeys(given, "equal")


def _image(case: Case, date: int) -> Path:
    return folder_of(case) / f"date_{date}.tif"


def _small(case: Case, k: int) -> Path:
    return folder_of(case) / f"small_{k}.tif"


def _nadir(case: Case) -> Task:
    paths = [_image(case, date) for date in range(_DATES)]

    def work() -> Any:
        manifest = case.fresh("nadir") / "cube.manifest.json"
        return build_cube(paths, len(BANDS), manifest, case.threads)

    return Task(work, lambda: {"values": work().load()[0]}, "with validity and digests")


def _grown(k: int, case: Case) -> Task:
    small_cache()
    from nadir.config.scenes import CubeConfig
    from nadir.raster import cube
    from nadir.raster.sources import open_source

    source = image_source(_small(case, k), 4)
    layout = CubeConfig(shard=512)

    def work() -> None:
        out = case.fresh(f"nadir_{k}") / "cube.manifest.json"
        images = [("date", open_source(source, BANDS[:4]))]
        cube.build_cube(images, None, out, layout, {}, workers=case.threads)

    return Task(work, lambda: None, f"side {case.side(_SIDE * k // 2)}, shards of 512")


def _decode(case: Case) -> Task:
    return Task(partial(_decoded, case, lambda *_: None), lambda: None, "rasterio")


def _decoded(
    case: Case, use: Callable[[int, int, int, np.ndarray], None], piece: int = 512
) -> None:
    """Decode both images in threads; `use` gets date, row, column and values of each piece."""
    import rasterio
    from rasterio.windows import Window

    side = case.side(_SIDE)

    def read(item: tuple[int, int]) -> None:
        date, first = item
        rows = min(piece, side - first)
        with rasterio.open(_image(case, date)) as file:
            for column in range(0, side, piece):
                columns = min(piece, side - column)
                window = Window(column, first, columns, rows)
                use(date, first, column, file.read(window=window))

    with ThreadPoolExecutor(case.threads) as pool:
        list(pool.map(read, [(d, y) for d in range(_DATES) for y in range(0, side, piece)]))


def _encode(case: Case) -> Task:
    from nadir.config.scenes import CubeConfig
    from nadir.raster.store import ArraySpec, Layout, StoredArray, create_array

    side = case.side(_SIDE)
    layout = Layout.of(CubeConfig(shard=512), side, side)
    shape = (_DATES, len(BANDS), side, side)
    spec = ArraySpec("values", "uint16", shape, ("date", "band", "y", "x"), 1)

    def work() -> StoredArray:
        folder = case.fresh("encode")
        create_array(folder, spec, layout, {})
        array = StoredArray(folder / "values")
        _decoded(case, lambda d, y, x, values: array.write((d,), y, x, values), layout.block)
        return array

    def probe() -> dict[str, np.ndarray]:
        return {"values": work().read(0, 0, side, side)}

    return Task(work, probe, "rasterio, and the codec of nadir's stores; nothing checked")


def _rioxarray(case: Case) -> Task:
    import dask
    import rioxarray
    import xarray

    out = case.fresh("rioxarray") / "cube.zarr"

    def work() -> None:
        chunks = {"band": len(BANDS), "y": 512, "x": 512}
        dates = [rioxarray.open_rasterio(_image(case, d), chunks=chunks) for d in range(_DATES)]
        cube = xarray.concat(dates, "date").to_dataset(name="values")
        with dask.config.set(scheduler="threads", num_workers=case.threads):
            cube.to_zarr(out, mode="w")

    def probe() -> dict[str, np.ndarray]:
        return {"values": xarray.open_zarr(out)["values"].values}

    return Task(work, probe, "its default codec, chunks of 512")
