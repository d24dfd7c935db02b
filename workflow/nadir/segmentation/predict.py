"""A scene's map: predict, blend, and write class ids and confidence as cloud-optimized GeoTIFFs.

With a calibration, the layers of uncertainty are written as well: entropy and sets of classes. For
two classes, the probability of the last one is written as well: where the second class begins
is then for others to choose.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.config.quality import GeneralizeConfig
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.provenance.cache import ResultCache
from nadir.provenance.digest import file_digest
from nadir.raster.cog import MapWriter, write_qml
from nadir.raster.cube import Cube
from nadir.raster.grid import Grid
from nadir.segmentation.blend import LEVELS, NO_CONFIDENCE
from nadir.segmentation.calibration import (
    ENTROPY,
    SET_SIZE,
    SETS,
    CalibratedLayers,
    Calibration,
)
from nadir.segmentation.generalize import changes_map, generalize
from nadir.segmentation.mosaic import Mosaic, RawRaster
from nadir.segmentation.predictor import Predictor
from nadir.segmentation.sliding import Scene, Watch, WindowModel, predict_scene
from nadir.segmentation.tta import views_of

log = logging.getLogger(__name__)

MAP, CONFIDENCE, STYLE, PROBABILITY = "map.tif", "confidence.tif", "map.qml", "probability.tif"
"""Names of what a prediction gives."""
FURTHER = {name: f"{name}.tif" for name in (ENTROPY, SETS, SET_SIZE)}
"""Layer -> name of what a calibrated prediction gives besides."""

_COPY = 1024  # side of the windows in which finished pixels are copied
_SAMPLE = 512  # side of the window on which the scale of the image is checked


class Image(Scene, Protocol):
    """What a map is made of: a cube, or a picture with the same face."""

    @property
    def path(self) -> Path:
        """What messages name."""

    @property
    def bands(self) -> Sequence[str]:
        """Names of the bands."""

    @property
    def dates(self) -> Sequence[str]:
        """Names of the dates."""

    @property
    def scale(self) -> Mapping[str, float]:
        """Date -> scale: reflectance = scale * (raw + offset)."""

    @property
    def offset(self) -> Mapping[str, float]:
        """Date -> offset, in raw units."""


def predict_map(
    cube: Cube,
    predictor: Predictor,
    cfg: PredictConfig,
    map_path: str | os.PathLike[str],
    *,
    table: ClassTable | None = None,
    confidence_path: str | os.PathLike[str] | None = None,
    style_path: str | os.PathLike[str] | None = None,
    probability_path: str | os.PathLike[str] | None = None,
    calibration: Calibration | None = None,
    cache: str | os.PathLike[str] | None = None,
    code: str = "",
    progress: bool = True,
) -> None:
    """Map a whole scene, out of core, in memory that does not grow with the scene.

    Args:
        cube: The imagery.
        predictor: The model.
        cfg: Window, overlap, batch size and views. A per-pixel model needs no overlap and gets
            none.
        map_path: The map to make: uint8 class ids, 0 where no date is valid.
        table: The model's classes with the colors that the map shows; by default the model's own.
        confidence_path: The confidence to make: uint8 percent, 255 where no date is valid; by
            default `confidence.tif` beside the map.
        style_path: The QGIS style to make; by default the map's name with `.qml`.
        probability_path: The probability of the last of two classes to make: uint8, 250 for 1, 255
            where no date is valid; by default it is not delivered.
        calibration: With it, the confidence is calibrated, and `entropy.tif`, `sets.tif` and
            `set_size.tif` are made beside the map.
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
        STYLE: Path(style_path) if style_path else map_path.with_suffix(".qml"),
        CONFIDENCE: Path(confidence_path) if confidence_path else map_path.with_name(CONFIDENCE),
        MAP: map_path,  # last: it is what others wait for
    }
    if probability_path is not None:
        if not has_probability(predictor):
            raise InputError(
                predictor.folder,
                f"one probability says nothing of {predictor.table.count} classes",
                "Ask for it of a model of two classes; confidence.tif is there for any model.",
            )
        outputs = {PROBABILITY: probability_path, **outputs}
    reader = None
    if calibration is not None:
        reader = CalibratedLayers(calibration, predictor.table.count)
        beside = {file: map_path.with_name(file) for file in FURTHER.values()}
        outputs = {**beside, **outputs}
    shown = shown_table(table, predictor)
    parts = {"cube": cube.manifest.digest, "code": code, **prediction_parts(predictor, cfg, shown)}
    if calibration is not None:
        parts["calibration"] = calibration.parts()
    with _slot(cache, map_path, parts) as slot:
        if slot.result is None:
            check_image(cube, predictor)
            mosaic = Mosaic(slot.work, *cube.grid.shape, has_probability(predictor), reader)
            try:
                predict_into(mosaic, cube, predictor, cfg, progress=progress)
                with slot.store() as folder:
                    write_layers(folder, mosaic, cube.grid, shown, cfg.generalize)
            finally:
                mosaic.close()
        slot.deliver(outputs)


def prediction_parts(predictor: Predictor, cfg: PredictConfig, table: ClassTable) -> dict[str, Any]:
    """Return what a prediction depends on beside image and code, ready for JSON."""
    return {
        "kind": "prediction",
        "bundle": [
            file_digest(folder / name)
            for folder in predictor.folders
            for name in (WEIGHTS, DESCRIPTION)
        ],
        "cfg": cfg.model_dump(mode="json", exclude={"calibrate", "calibration", "polygons"}),
        "colors": table.colors,
    }


def has_probability(predictor: Predictor) -> bool:
    """Tell whether a model has the probability layer: whether it knows two classes."""
    return predictor.table.count == 2


def shown_table(table: ClassTable | None, predictor: Predictor) -> ClassTable:
    """Return the classes with the colors that a map shows.

    Raises:
        InputError: When they are not the model's classes.
    """
    shown = table or predictor.table
    if shown.colorless != predictor.table.colorless:
        raise InputError(
            predictor.folder,
            f"this model knows other classes ({', '.join(predictor.table.names[1:])})",
            "Name the classes that it was trained on.",
        )
    return shown


def predict_into(
    mosaic: Mosaic,
    image: Image,
    predictor: Predictor,
    cfg: PredictConfig,
    *,
    model: WindowModel | None = None,
    watch: Watch | None = None,
    progress: bool = False,
) -> None:
    """Predict an image into a mosaic: the one way in which all maps are made.

    Args:
        mosaic: Where the result goes; of the image's shape.
        image: The imagery.
        predictor: The model.
        cfg: Window, overlap, batch size and views.
        model: What answers windows in the predictor's place, as one that gathers the windows of
            several images does; it must give what the predictor gives.
        watch: As for `predict_scene`.
        progress: Whether to show a progress bar.

    Raises:
        NadirError: When the model gives numbers that are not finite.
        OutputError: When the disk is full.
    """
    window = cfg.window or predictor.tile
    predict_scene(
        image,
        model or window_model(image, predictor, cfg),
        predictor.table.count,
        mosaic,
        window=window,
        # What is said of a pixel alone is the same in every window.
        overlap=0.0 if predictor.by_pixel else cfg.overlap,
        batch_size=cfg.batch_size,
        group=predictor.group(window, window),
        progress=progress,
        watch=watch,
    )


def window_model(image: Image, predictor: Predictor, cfg: PredictConfig) -> WindowModel:
    """Return the function from raw windows of an image to probabilities."""
    return partial(predictor.predict, **_encoding(image), views=views_of(cfg))


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


def check_image(image: Image, predictor: Predictor) -> None:
    """See that an image fits the model, before anything is predicted.

    Raises:
        InputError: When its bands, dates or scale are not the model's.
    """
    name = image.path
    predictor.check(name, image.bands, len(image.dates))
    height, width = image.grid.shape
    y, x = (max(0, (length - _SAMPLE) // 2) for length in (height, width))
    raw, valid = image.read(y, x, min(_SAMPLE, height), min(_SAMPLE, width))
    predictor.check_scale(name, raw, valid, **_encoding(image))


def _encoding(image: Image) -> dict[str, Any]:
    """Return scale and offset of an image in the order of its dates."""
    return {
        "scale": [image.scale[date] for date in image.dates],
        "offset": [image.offset[date] for date in image.dates],
    }


def write_layers(
    folder: Path,
    mosaic: Mosaic,
    grid: Grid,
    table: ClassTable,
    tidy: GeneralizeConfig | None = None,
) -> None:
    """Turn a finished mosaic into the files that are delivered, the map last.

    Args:
        folder: Where to write.
        mosaic: What was predicted.
        grid: Of the image.
        table: Classes with the colors that the map shows.
        tidy: How the map is generalized; by default it is not.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    if mosaic.probability is not None:
        options: dict[str, Any] = {
            "tags": {"SCALE": f"1/{LEVELS}"},
            "description": f"probability of {table.names[-1]}",
        }
        with MapWriter(folder / PROBABILITY, grid, nodata=NO_CONFIDENCE, **options) as writer:
            _copy(mosaic.probability, writer)
    for name, layer in mosaic.further.items():
        _write_further(folder / FURTHER[name], layer, grid, name, table)
    if tidy is not None and changes_map(tidy):
        generalize(mosaic.ids, mosaic.confidence, grid, tidy)
    with MapWriter(folder / CONFIDENCE, grid, nodata=NO_CONFIDENCE) as writer:
        _copy(mosaic.confidence, writer)
    write_qml(folder / STYLE, table)
    with MapWriter(folder / MAP, grid, table=table, nodata=0) as writer:
        _copy(mosaic.ids, writer)


def _write_further(path: Path, layer: RawRaster, grid: Grid, name: str, table: ClassTable) -> None:
    """Write one layer of uncertainty, with what it means inside."""
    about: dict[str, tuple[str, dict[str, str]]] = {
        ENTROPY: ("entropy, 250 for the greatest possible", {"SCALE": f"1/{LEVELS}"}),
        SET_SIZE: ("classes in the conformal set", {}),
        SETS: (
            "classes in the conformal set, a bit each",
            {f"BIT_{number}": name for number, name in enumerate(table.names[1:])},
        ),
    }
    description, tags = about[name]
    with MapWriter(
        path,
        grid,
        layer.dtype.name,
        nodata=0 if name == SETS else NO_CONFIDENCE,
        overviews="nearest" if name == SETS else "average",
        tags=tags,
        description=description,
    ) as writer:
        _copy(layer, writer)


def _copy(source: RawRaster, writer: MapWriter) -> None:
    for y in range(0, source.height, _COPY):
        for x in range(0, source.width, _COPY):
            height, width = min(_COPY, source.height - y), min(_COPY, source.width - x)
            writer.write(y, x, source.read(y, x, height, width))
