"""A map of a whole scene, with overlapping windows that are blended."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task, growth
from speed.inputs import BANDS, build_cube, write_image
from speed.scenes import MEAN, STD, StoredScene, predictor

_WINDOW, _OVERLAP, _BATCH = 64, 0.5, 16
_NADIR, _MODEL, _LOOP = (
    "nadir, scene to blended map",
    "the network alone",
    "TorchGeo GridGeoSampler",
)
_GROWN = {1: "nadir, tiny network, half the side", 2: "nadir, tiny network"}
_GROWN[4] = "nadir, tiny network, twice the side"
_TORCHGEO_NEEDS = ("torchgeo", "torch", "rasterio")


def row(device: str) -> Row:
    """Return the row."""
    side = _side(device)
    return Row(
        "scene",
        f"scene: prediction of {side} x {side} x {len(BANDS)} x 2 dates, nadir_landcover, "
        f"windows of {_WINDOW} half over each other",
        [
            Contestant(_NADIR, _nadir, ours=True, times=1),
            Contestant(_MODEL, _model, times=1),
            Contestant(_LOOP, _torchgeo, needs=_TORCHGEO_NEEDS, times=1, warm=False),
            *(Contestant(_GROWN[k], partial(_grown, k), ours=True, times=1) for k in _GROWN),
        ],
        [
            Claim(_NADIR, _MODEL, "within", 1.08),
            *growth(_GROWN),
        ],
        prepare,
        compare,
        rounds=3,
        devices=("cpu", "cuda"),
    )


def prepare(case: Case) -> None:
    """Make the scenes, the models, and the network as a program for those who lack nadir."""
    import torch

    scene = _scene(case)
    scene.make()
    model = _predictor(case).model.eval()
    example = torch.zeros(_BATCH, scene.dates * scene.bands, _WINDOW, _WINDOW, device=case.device)
    program = scene.folder / f"network_{case.device}.pt2"
    if not program.is_file():
        torch.export.save(torch.export.export(model, (example,)), program)
    for k in _GROWN:
        image = _small(case, k)
        write_image(image, _grown_side(case, k), 4, 7)
        build_cube([image], 4, image.with_suffix(".manifest.json"), case.threads)


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """Say how many windows were predicted; see that nadir and the network alone saw the same."""
    counts = {name: int(one["windows"]) for name, one in given.items() if "windows" in one}
    assert counts[_NADIR] == counts[_MODEL], "other windows"
    return {name: f"{count} windows" for name, count in counts.items()}


def _side(device: str) -> int:
    return 4096 if device == "cuda" else 768


def _scene(case: Case) -> StoredScene:
    return StoredScene(case, case.side(_side(case.device)), name="scene")


def _grown_side(case: Case, k: int) -> int:
    return case.side(1024 * k // 2)


def _small(case: Case, k: int) -> Any:
    return _scene(case).folder / f"small_{k}.tif"


def _predictor(case: Case) -> Any:
    from nadir.config.networks import UNetScratch

    scene = _scene(case)
    folder, model = scene.folder / "model", UNetScratch(width=24, depth=3)
    return predictor(folder, model, scene.dates, scene.bands, _WINDOW, case.device, case.threads)


def _config() -> Any:
    from nadir.config.experiments import PredictConfig

    return PredictConfig(window=_WINDOW, overlap=_OVERLAP, batch_size=_BATCH)


def _predicted(case: Case, name: str, cube: Any, model: Any, cfg: Any, block_bytes: int) -> None:
    """Predict a cube into a mosaic, as `nadir predict-map` does before it writes files."""
    from nadir.segmentation.mosaic import Mosaic
    from nadir.segmentation.predict import window_model
    from nadir.segmentation.sliding import predict_scene

    mosaic = Mosaic(case.fresh(name), *cube.grid.shape)
    try:
        predict_scene(
            cube,
            window_model(cube, model, cfg),
            model.table.count,
            mosaic,
            window=cfg.window,
            overlap=cfg.overlap,
            batch_size=cfg.batch_size,
            group=model.group(cfg.window, cfg.window),
            block_bytes=block_bytes,
            progress=False,
        )
    finally:
        mosaic.close()


def _layout(case: Case, shape: tuple[int, int]) -> Any:
    from nadir.segmentation.sliding import BLOCK_BYTES, Layout

    return Layout.of(shape, _WINDOW, _OVERLAP, 12, BLOCK_BYTES)


def _nadir(case: Case) -> Task:
    from nadir.segmentation.sliding import BLOCK_BYTES

    cube, model, cfg = _scene(case).open().cube, _predictor(case), _config()
    count = _layout(case, cube.grid.shape).count

    def work() -> None:
        _predicted(case, "nadir", cube, model, cfg, BLOCK_BYTES)

    return Task(work, lambda: {"windows": count})


def _model(case: Case) -> Task:
    import torch

    cube, model = _scene(case).open().cube, _predictor(case)
    layout = _layout(case, cube.grid.shape)
    raw, _ = cube.load()
    device = torch.device(case.device)
    values = torch.from_numpy(
        ((raw.astype(np.float32) * 1e-4 - MEAN) / STD).reshape(-1, *raw.shape[2:])
    )
    places = [(y, x) for y in layout.rows.starts for x in layout.columns.starts]
    step = model.group(_WINDOW, _WINDOW) or _BATCH  # as nadir asks it
    windows = [values[:, y : y + _WINDOW, x : x + _WINDOW] for y, x in places]
    batches = [
        torch.stack(windows[at : at + step]).to(device) for at in range(0, len(windows), step)
    ]

    def work() -> None:
        with torch.inference_mode():
            for batch in batches:
                model.model(batch)
        if case.device == "cuda":
            torch.cuda.synchronize()

    return Task(work, lambda: {"windows": len(places)}, "its input ready in memory")


def _torchgeo(case: Case) -> Task:
    import torch
    from torch.utils.data import DataLoader
    from torchgeo.datasets import RasterDataset, stack_samples
    from torchgeo.samplers import GridGeoSampler

    torch.set_num_threads(case.threads)
    scene = _scene(case)
    first, second = (RasterDataset(str(path)) for path in scene.images())
    whole = first & second
    network = torch.export.load(scene.folder / f"network_{case.device}.pt2").module()
    stride = round(_WINDOW * (1 - _OVERLAP))
    sampler = GridGeoSampler(whole, size=_WINDOW, stride=stride)

    def work() -> None:
        loader = DataLoader(whole, _BATCH, sampler=sampler, collate_fn=stack_samples)
        with torch.inference_mode():
            for batch in loader:
                values = (batch["image"].to(case.device) * 1e-4 - MEAN) / STD
                missing = _BATCH - len(values)  # the program is of one batch size
                network(torch.cat([values, values[-1:].expand(missing, -1, -1, -1)])).argmax(
                    1
                ).cpu()

    return Task(work, lambda: {"windows": len(sampler)}, "nothing blended, nothing written")


def _grown(k: int, case: Case) -> Task:
    from nadir.config.experiments import PredictConfig
    from nadir.config.networks import UNetScratch

    cube = build_cube([], 4, _small(case, k).with_suffix(".manifest.json"), case.threads)
    folder = _scene(case).folder / f"tiny_{k}"
    tiny = UNetScratch(width=4, depth=2)
    model = predictor(folder, tiny, 1, 4, 128, case.device, case.threads)
    cfg = PredictConfig(window=128, overlap=0.25, batch_size=8)

    def work() -> None:
        _predicted(case, f"nadir_{k}", cube, model, cfg, 8 << 20)

    return Task(work, lambda: None, f"side {_grown_side(case, k)}, 4 bands, totals of 8 MiB")
