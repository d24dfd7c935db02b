"""A scene's map: predict, blend, and write class ids and confidence as cloud-optimized GeoTIFFs."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.provenance.cache import ResultCache
from nadir.provenance.digest import file_digest
from nadir.raster.cog import MapWriter, write_qml
from nadir.raster.cube import Cube
from nadir.raster.grid import Grid
from nadir.segmentation.blend import NO_CONFIDENCE
from nadir.segmentation.mosaic import Mosaic, RawRaster
from nadir.segmentation.predictor import ForestPredictor, Predictor
from nadir.segmentation.sliding import predict_scene

log = logging.getLogger(__name__)

_MAP, _CONFIDENCE, _STYLE = "map.tif", "confidence.tif", "map.qml"
_COPY = 1024  # side of the windows in which finished pixels are copied
_SAMPLE = 512  # side of the window on which the scale of the image is checked


def predict_map(
    cube: Cube,
    predictor: Predictor,
    cfg: PredictConfig,
    map_path: str | os.PathLike[str],
    *,
    table: ClassTable | None = None,
    confidence_path: str | os.PathLike[str] | None = None,
    style_path: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    code: str = "",
    progress: bool = True,
) -> None:
    """Map a whole scene, out of core, in memory that does not grow with the scene.

    Args:
        cube: The imagery.
        predictor: The model.
        cfg: Window, overlap and batch size. A per-pixel model needs no overlap and gets none.
        map_path: The map to make: uint8 class ids, 0 where no date is valid.
        table: The model's classes with the colors that the map shows; by default the model's own.
        confidence_path: The confidence to make: uint8 percent, 255 where no date is valid; by
            default `confidence.tif` beside the map.
        style_path: The QGIS style to make; by default the map's name with `.qml`.
        cache: Folder of kept predictions: an equal one is delivered in seconds, and one that was
            cut short goes on. By default nothing is kept.
        code: Fingerprint of the code, part of the key of what is kept.
        progress: Whether to show a progress bar.

    Raises:
        InputError: When the image's bands, dates or scale, or the classes, are not the model's.
        OutputError: When the disk is full or not writable.
        NadirError: When the model gives numbers that are not finite.
    """
    map_path = Path(map_path)
    outputs: dict[str, str | os.PathLike[str]] = {
        _STYLE: Path(style_path) if style_path else map_path.with_suffix(".qml"),
        _CONFIDENCE: Path(confidence_path) if confidence_path else map_path.with_name(_CONFIDENCE),
        _MAP: map_path,  # last: it is what others wait for
    }
    shown = table or predictor.table
    if shown.colorless != predictor.table.colorless:
        raise InputError(
            predictor.folder,
            f"this model knows other classes ({', '.join(predictor.table.names[1:])})",
            "Name the classes that it was trained on.",
        )
    parts: dict[str, Any] = {
        "kind": "prediction",
        "cube": cube.manifest.digest,
        "bundle": [file_digest(predictor.folder / name) for name in (WEIGHTS, DESCRIPTION)],
        "cfg": cfg.model_dump(mode="json"),
        "colors": shown.colors,
        "code": code,
    }
    with _slot(cache, map_path, parts) as slot:
        if slot.result is None:
            _check(cube, predictor)
            mosaic = Mosaic(slot.work, *cube.grid.shape)
            try:
                predict_scene(
                    cube,
                    partial(predictor.predict, **_encoding(cube)),
                    predictor.table.count,
                    mosaic,
                    window=cfg.window or predictor.tile,
                    # What is said of a pixel alone is the same in every window.
                    overlap=0.0 if isinstance(predictor, ForestPredictor) else cfg.overlap,
                    batch_size=cfg.batch_size,
                    progress=progress,
                )
                with slot.store() as folder:
                    _write_rasters(folder, mosaic, cube.grid, shown)
            finally:
                mosaic.close()
        slot.deliver(outputs)


@contextmanager
def _slot(
    cache: str | os.PathLike[str] | None, map_path: Path, parts: dict[str, Any]
) -> Iterator[ResultCache]:
    """Yield the held slot for a prediction: kept in `cache`, or gone afterwards."""
    if cache is not None:
        slot = ResultCache(cache, parts)
        with slot.lock():
            yield slot
        return
    map_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=map_path.parent) as folder:
        slot = ResultCache(folder, parts)
        with slot.lock():
            yield slot


def _check(cube: Cube, predictor: Predictor) -> None:
    """See that an image fits the model, before anything is predicted."""
    name = cube.path
    predictor.check(name, cube.bands, len(cube.dates))
    height, width = cube.grid.shape
    y, x = (max(0, (length - _SAMPLE) // 2) for length in (height, width))
    raw, valid = cube.read(y, x, min(_SAMPLE, height), min(_SAMPLE, width))
    predictor.check_scale(name, raw, valid, **_encoding(cube))


def _encoding(cube: Cube) -> dict[str, Any]:
    """Return scale and offset of a cube in the order of its dates."""
    return {
        "scale": [cube.scale[date] for date in cube.dates],
        "offset": [cube.offset[date] for date in cube.dates],
    }


def _write_rasters(folder: Path, mosaic: Mosaic, grid: Grid, table: ClassTable) -> None:
    """Turn a finished mosaic into the files that are delivered."""
    with MapWriter(folder / _MAP, grid, table=table, nodata=0) as writer:
        _copy(mosaic.ids, writer)
    with MapWriter(folder / _CONFIDENCE, grid, nodata=NO_CONFIDENCE) as writer:
        _copy(mosaic.confidence, writer)
    write_qml(folder / _STYLE, table)


def _copy(source: RawRaster, writer: MapWriter) -> None:
    for y in range(0, source.height, _COPY):
        for x in range(0, source.width, _COPY):
            height, width = min(_COPY, source.height - y), min(_COPY, source.width - x)
            writer.write(y, x, source.read(y, x, height, width))
