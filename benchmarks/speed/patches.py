"""Random patches with labels, from disk and from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task
from speed.inputs import BANDS
from speed.scenes import StoredScene, statistics

_SIDE, _PATCH, _COUNT, _BATCH = 3072, 300, 64, 16
_PROBED = ((0, 0), (300, 600), (600, 300))  # patches that all contestants can give
_DISK, _RESIDENT, _NUMPY = "nadir, from disk", "nadir, resident", "NumPy slicing of resident arrays"
_TORCHGEO, _FILES, _XBATCHER = "TorchGeo RandomGeoSampler", "one GeoTIFF a tile", "xbatcher"
_GPU_DISK = "nadir, from disk to network input on the GPU"
_GPU_RESIDENT = "nadir, resident on the GPU, to network input"

_TORCHGEO_NEEDS = ("torchgeo", "torch", "rasterio")


def row(device: str) -> Row:
    """Return the row."""
    host = [
        Contestant(_DISK, _from_disk, ours=True),
        Contestant(_TORCHGEO, _torchgeo, needs=_TORCHGEO_NEEDS),
        Contestant(_FILES, _files),
        Contestant(_XBATCHER, _xbatcher, needs=("xbatcher", "xarray", "zarr")),
        Contestant(_RESIDENT, _from_memory, ours=True, times=7),
        Contestant(_NUMPY, _numpy, times=7),
    ]
    gpu = [
        Contestant(_GPU_DISK, _gpu_disk, ours=True),
        Contestant(_GPU_RESIDENT, _gpu_resident, ours=True, times=9),
    ]
    asked = [
        Claim(_DISK, _TORCHGEO, "faster", 5),
        Claim(_DISK, _FILES, "faster", 2),
        Claim(_RESIDENT, _NUMPY, "within", 1 / 0.9),
    ]
    return Row(
        "patches",
        f"patches: {_COUNT} random ones, {_PATCH} x {_PATCH} x {len(BANDS)} x 2 dates with labels",
        host if device == "cpu" else [*host[:4], *gpu],
        asked if device == "cpu" else [*asked[:2], Claim(_GPU_RESIDENT, _GPU_DISK, "faster", 20)],
        prepare,
        compare,
        devices=("cpu", "cuda"),
    )


def prepare(case: Case) -> None:
    """Make the scene, and cut it into one file a tile and date."""
    scene = _scene(case)
    scene.make()
    for source in (*scene.images(), scene.labels_tif):
        _cut(source, scene.folder / "tiles")


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that all give the same pixels for the same ground."""
    told = {}
    for name, one in given.items():
        for what, values in one.items():
            assert (values == given[_DISK][what]).all(), f"{name}: another {what}"
        told[name] = "equal"
    return told


def _scene(case: Case) -> StoredScene:
    return StoredScene(case, case.side(_SIDE, 1024))


def _cut(source: Path, folder: Path) -> None:
    import rasterio
    from rasterio.windows import Window

    folder.mkdir(exist_ok=True)
    with rasterio.open(source) as file:
        tall, wide = file.height // _PATCH, file.width // _PATCH
        profile = {**file.profile, "width": _PATCH, "height": _PATCH}
        for name in ("tiled", "blockxsize", "blockysize"):
            profile.pop(name, None)
        for row_ in range(tall):
            for column in range(wide):
                path = folder / f"{source.stem}_{row_}_{column}.tif"
                if path.is_file():
                    continue
                window = Window(column * _PATCH, row_ * _PATCH, _PATCH, _PATCH)
                moved = {**profile, "transform": file.window_transform(window)}
                with rasterio.open(path, "w", **moved) as tile:
                    tile.write(file.read(window=window))


def _corners(case: Case) -> list[tuple[int, int]]:
    """Return random upper-left pixels."""
    random = np.random.default_rng(3)
    drawn = random.integers(0, _scene(case).side - _PATCH + 1, (case.count(_COUNT, _BATCH), 2))
    return [(int(y), int(x)) for y, x in drawn]


def _tiles(case: Case) -> list[tuple[int, int]]:
    """Return random rows and columns of tiles."""
    along = _scene(case).side // _PATCH
    drawn = np.random.default_rng(3).integers(0, along, (case.count(_COUNT, _BATCH), 2))
    return [(int(row_), int(column)) for row_, column in drawn]


def _windows(corners: Sequence[tuple[int, int]]) -> list[Any]:
    from nadir.segmentation.patches import Window

    return [Window(0, y, x, _PATCH) for y, x in corners]


def _groups(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(items), _BATCH):
        yield items[first : first + _BATCH]


def _source_task(case: Case, source: Any, note: str) -> Task:
    """Return batches of raw patches, as tensors of their own."""
    import torch

    from nadir.segmentation.sources import stacked

    windows = _windows(_corners(case))

    def give(chosen: Sequence[Any]) -> None:
        waiting: list[Any] = []
        for patch in source.raw(chosen):
            waiting.append(patch)
            if len(waiting) == _BATCH:
                [stacked(parts) for parts in zip(*waiting, strict=True)]
                waiting = []

    def probe() -> dict[str, np.ndarray]:
        image, _, labels = zip(*source.raw(_windows(_PROBED)), strict=True)
        return {"image": torch.stack(image).numpy(), "labels": torch.stack(labels).numpy()}

    return Task(lambda: give(windows), probe, note)


def _from_disk(case: Case) -> Task:
    return _source_task(case, _stored(case, "cpu"), "threads over the stores")


def _from_memory(case: Case) -> Task:
    return _source_task(case, _resident(case, "cpu"), "copied into batches")


def _stored(case: Case, device: str) -> Any:
    import torch

    from nadir.segmentation.sources import StoredSource

    scene = _scene(case)
    windows, facts = _windows(_corners(case)), statistics(scene.dates, scene.bands)
    return StoredSource([scene.open()], windows, facts, torch.device(device), case.threads)


def _resident(case: Case, device: str) -> Any:
    import torch

    from nadir.segmentation.sources import ResidentSource

    torch.set_num_threads(case.threads)
    scene, there = _scene(case), torch.device(device)
    facts = statistics(scene.dates, scene.bands)
    ground = _windows([(0, 0), (scene.side - _PATCH, scene.side - _PATCH)])
    return ResidentSource([scene.open()], ground, facts, there, there, case.threads)


def _numpy(case: Case) -> Task:
    scene = _scene(case)
    opened = scene.open()
    image, valid = opened.cube.read(0, 0, scene.side, scene.side)
    labels = opened.labels.hard(0, 0, scene.side, scene.side)
    corners = _corners(case)

    def cut(array: np.ndarray, group: Sequence[tuple[int, int]]) -> np.ndarray:
        return np.stack([array[..., y : y + _PATCH, x : x + _PATCH] for y, x in group])

    def work() -> None:
        for group in _groups(corners):
            [cut(array, group) for array in (image, valid, labels)]

    return Task(work, lambda: {"image": cut(image, _PROBED), "labels": cut(labels, _PROBED)})


def _files(case: Case) -> Task:
    import rasterio

    scene = _scene(case)
    names = [path.stem for path in (*scene.images(), scene.labels_tif)]

    def read(tile: tuple[int, int]) -> list[np.ndarray]:
        parts = []
        for name in names:
            path = scene.folder / "tiles" / f"{name}_{tile[0]}_{tile[1]}.tif"
            with rasterio.open(path) as file:
                parts.append(file.read())
        return parts

    def give(tiles: Sequence[tuple[int, int]]) -> list[list[np.ndarray]]:
        with ThreadPoolExecutor(case.threads) as pool:
            found = list(pool.map(read, tiles))
        for group in _groups(found):
            [np.stack(parts) for parts in zip(*group, strict=True)]
        return found

    def probe() -> dict[str, np.ndarray]:
        found = give([(y // _PATCH, x // _PATCH) for y, x in _PROBED])
        image = np.stack([np.stack(parts[:-1]) for parts in found])
        return {"image": image, "labels": np.stack([parts[-1][0] for parts in found])}

    return Task(lambda: give(_tiles(case)) and None, probe, "the seed's way, in threads")


def _torchgeo(case: Case) -> Task:
    import torch
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import RandomGeoSampler

    torch.set_num_threads(case.threads)
    scene = _scene(case)
    dates = [RasterDataset(str(path)) for path in scene.images()]
    labels = RasterDataset(str(scene.labels_tif))
    labels.is_image = False
    whole = dates[0]
    for one in (*dates[1:], labels):
        whole = whole & one

    def work() -> None:
        count = case.count(_COUNT, _BATCH)
        sampler = RandomGeoSampler(whole, size=_PATCH, length=count)
        loader = DataLoader(whole, _BATCH, sampler=sampler, collate_fn=stack_samples)
        for _ in loader:
            pass

    def probe() -> dict[str, np.ndarray]:
        x, y, _ = whole.bounds
        samples = [
            whole[
                x.start + 10 * left : x.start + 10 * (left + _PATCH),
                y.stop - 10 * (top + _PATCH) : y.stop - 10 * top,
            ]
            for top, left in _PROBED
        ]
        image = np.stack([one["image"].numpy() for one in samples])
        return {
            "image": image.reshape(len(samples), scene.dates, scene.bands, _PATCH, _PATCH),
            "labels": np.stack([one["mask"].numpy() for one in samples]),
        }

    return Task(work, probe, "in one process, which is its quickest way here")


def _xbatcher(case: Case) -> Task:
    import xarray
    import xbatcher

    scene = _scene(case)
    stores = scene.stores()
    image = xarray.open_zarr(stores["cube"], consolidated=False)["reflectance"]
    labels = xarray.open_zarr(stores["labels"], consolidated=False)["hard"]
    whole = xarray.Dataset({"image": image, "labels": labels})
    box = {"date": scene.dates, "band": scene.bands, "y": _PATCH, "x": _PATCH}
    batches = xbatcher.BatchGenerator(whole, box, preload_batch=False)
    along = scene.side // _PATCH

    def give(tiles: Sequence[tuple[int, int]]) -> list[Any]:
        return [batches[row_ * along + column].load() for row_, column in tiles]

    def probe() -> dict[str, np.ndarray]:
        found = give([(y // _PATCH, x // _PATCH) for y, x in _PROBED])
        order = ("date", "band", "y", "x")
        return {
            "image": np.stack([one["image"].transpose(*order).values for one in found]),
            "labels": np.stack([one["labels"].transpose("y", "x").values for one in found]),
        }

    return Task(lambda: give(_tiles(case)) and None, probe, "windows of its grid, of nadir's store")


def _gpu_disk(case: Case) -> Task:
    return _gpu_task(case, _stored(case, "cuda"))


def _gpu_resident(case: Case) -> Task:
    return _gpu_task(case, _resident(case, "cuda"))


def _gpu_task(case: Case, source: Any) -> Task:
    """Return batches ready for a network, on the GPU."""
    import torch

    from nadir.segmentation.patches import Shot

    def give(corners: Sequence[tuple[int, int]]) -> list[Any]:
        groups = [[Shot(window) for window in _windows(group)] for group in _groups(corners)]
        found = [[part for part in batch] for batch in source.batches(groups)]
        torch.cuda.synchronize()
        return found

    corners = _corners(case)

    def probe() -> dict[str, np.ndarray]:
        inputs, target = give(_PROBED)[0]
        return {"labels": (target + 1).to(torch.uint8).cpu().numpy(), **_restored(inputs)}

    return Task(lambda: give(corners) and None, probe)


def _restored(inputs: Any) -> dict[str, np.ndarray]:
    """Return raw integers of a network's input."""
    from speed.scenes import MEAN, STD

    values = inputs.double().cpu().numpy()
    raw = np.rint((values * STD + MEAN) * 1e4).astype(np.uint16)
    return {"image": raw.reshape(len(raw), 2, len(BANDS), _PATCH, _PATCH)}
