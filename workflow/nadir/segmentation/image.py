"""Mapping a picture that is no cube: what a service does, by the very code that maps scenes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.errors import NadirError
from nadir.provenance.atomic import write_faults, write_text
from nadir.provenance.digest import json_digest
from nadir.raster.grid import Grid
from nadir.segmentation.mosaic import Mosaic
from nadir.segmentation.predict import (
    CONFIDENCE,
    MAP,
    PROBABILITY,
    STYLE,
    Image,
    check_image,
    has_probability,
    predict_into,
    prediction_parts,
    shown_table,
    write_layers,
)
from nadir.segmentation.predictor import Predictor
from nadir.segmentation.sliding import WindowModel

_WORK, _KEY = ".work", ".key"
_BYTE = 1 / 255


class Stopped(NadirError):
    """A prediction was asked to stop; what it has done is kept."""


class ArrayImage:
    """A picture in memory, with the face of a cube.

    Args:
        raw: uint8 or uint16 (date, band, height, width).
        valid: bool (date, height, width); None where every pixel is.
        grid: Where its pixels lie (`Grid.of_pixels` where that is not known).
        bands: Names of the bands.
        dates: Names of the dates.
        scale: Reflectance = scale * (raw + offset), alike for all dates; 1/255 for 8-bit pictures.
        offset: In raw units.
        path: What messages name.
    """

    def __init__(
        self,
        raw: np.ndarray,
        valid: np.ndarray | None,
        grid: Grid,
        bands: tuple[str, ...],
        dates: tuple[str, ...] = ("image",),
        scale: float = _BYTE,
        offset: float = 0.0,
        path: str | Path = "image",
    ) -> None:
        if raw.shape != (len(dates), len(bands), *grid.shape):
            raise ValueError(f"{raw.shape} pixels for {len(dates)} dates, {bands} and {grid.shape}")
        self.grid, self.bands, self.dates, self.path = grid, bands, dates, Path(path)
        self.scale: Mapping[str, float] = dict.fromkeys(dates, scale)
        self.offset: Mapping[str, float] = dict.fromkeys(dates, offset)
        self._raw = raw
        self._valid = np.ones((len(dates), *grid.shape), bool) if valid is None else valid

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a window, boundless: raw 0 and invalid outside.

        Returns:
            Raw uint16 (date, band, height, width) and valid bool (date, height, width).
        """
        raw = np.zeros((*self._raw.shape[:2], height, width), np.uint16)
        valid = np.zeros((len(self._valid), height, width), bool)
        top, left = max(y, 0), max(x, 0)
        bottom, right = min(y + height, self.grid.height), min(x + width, self.grid.width)
        if top < bottom and left < right:
            here = np.s_[..., top - y : bottom - y, left - x : right - x]
            there = np.s_[..., top:bottom, left:right]
            valid[here] = self._valid[there]
            raw[here] = np.where(valid[:, None][here], self._raw[there], 0)
        return raw, valid


@dataclass(frozen=True)
class ImageProducts:
    """What mapping a picture gives.

    Attributes:
        map: uint8 class ids, 0 without valid data.
        confidence: uint8 percent, 255 without valid data.
        probability: Probability of the last of two classes, uint8, 250 for 1, 255 without valid
            data; None where there are more classes.
        style: For QGIS.
    """

    map: Path
    confidence: Path
    probability: Path | None
    style: Path


def predict_image(
    image: Image,
    predictor: Predictor,
    cfg: PredictConfig,
    folder: Path,
    *,
    table: ClassTable | None = None,
    model: WindowModel | None = None,
    report: Callable[[int, int], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> ImageProducts:
    """Map a picture as scenes are mapped: the same windows, totals and files, byte for byte.

    A call that was cut short, by `stop` or by a kill, is taken up by the next one with the same
    arguments; one that has ended is not repeated. The folder belongs to one picture.

    Args:
        image: The picture: an `ArrayImage`, a cube, or anything with their face.
        predictor: The model.
        cfg: Window, overlap, batch size and views.
        folder: Where the products go, and the state of an unfinished call.
        table: The model's classes with the colors that the map shows; by default the model's own.
        model: Answers windows in the predictor's place: (raw, valid) as `Predictor.predict` takes
            them, whole batches or groups of windows -> float32 (n, K, h, w). It must give what
            `nadir.segmentation.predict.window_model` gives for the same windows.
        report: Told (windows done, windows in all) before each batch and at the end.
        stop: Asked before each batch; True ends the call.

    Raises:
        InputError: When the picture's bands, dates or scale, or the classes, are not the model's.
        Stopped: When `stop` said so.
        OutputError: When the disk is full or not writable.
        NadirError: When the model gives numbers that are not finite.
    """
    shown = shown_table(table, predictor)
    probability = folder / PROBABILITY if has_probability(predictor) else None
    products = ImageProducts(folder / MAP, folder / CONFIDENCE, probability, folder / STYLE)
    parts = {"grid": image.grid.to_dict(), **prediction_parts(predictor, cfg, shown)}
    if _is_done(folder, json_digest(parts), products):
        return products
    check_image(image, predictor)

    def watch(done: int, total: int) -> None:
        if report is not None:
            report(done, total)
        if done < total and stop is not None and stop():
            raise Stopped(f"{image.path}: stopped after {done} of {total} windows")

    work = folder / _WORK
    mosaic = Mosaic(work, *image.grid.shape, probability is not None)
    try:
        predict_into(mosaic, image, predictor, cfg, model=model, watch=watch)
        write_layers(folder, mosaic, image.grid, shown)
    finally:
        mosaic.close()
    shutil.rmtree(work, ignore_errors=True)
    return products


def _is_done(folder: Path, key: str, products: ImageProducts) -> bool:
    """Tell whether the products are there; if not, leave state of this very call, or none."""
    work, stamp = folder / _WORK, folder / _KEY
    if not stamp.is_file() or stamp.read_text() != key:
        shutil.rmtree(work, ignore_errors=True)
        products.map.unlink(missing_ok=True)
        with write_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_text(stamp, key)
    if products.map.is_file():  # the last to be written
        shutil.rmtree(work, ignore_errors=True)
        return True
    with write_faults(work):
        work.mkdir(exist_ok=True)
    return False
