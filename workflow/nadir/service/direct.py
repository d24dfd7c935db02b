"""Small images: decoded, predicted and answered within one request, in one thread."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.segmentation.blend import LEVELS, NO_CONFIDENCE
from nadir.service import polygons
from nadir.service.batching import Batcher
from nadir.service.catalog import Model
from nadir.service.forms import Wishes
from nadir.service.images import ImageFacts, ImageScene, Limits, opened, plan_for
from nadir.service.job_answers import StatisticsAnswer
from nadir.service.layers import Legend, class_pixels, histogram, mask_png
from nadir.service.predicting import predict_in_memory
from nadir.service.problems import Problem
from nadir.service.results import no_polygons, pixel_statistics
from nadir.service.uploads import Upload

_SAMPLE = 512  # side of the window on which the scale of an image is checked
_LOOKED_AT = 64  # pixels along a side whose values are looked at
_MOST_CLIPPED = 0.01  # share of a sample's values that may be beyond what can be stored
_SCALE = "State the right scale and offset in the fields `scale` and `offset`."


@dataclass(frozen=True)
class Held:
    """A small image in memory, read once; see `nadir.service.images.ImageScene`.

    Attributes:
        raw: uint16 (date, band, height, width).
        valid: bool (date, height, width).
        grid: Its grid.
        bands: Names of the bands.
        dates: Names of the dates.
        scale: Scale by date.
        offset: Offset by date.
    """

    raw: NDArray[np.uint16]
    valid: NDArray[np.bool_]
    grid: Grid
    bands: tuple[str, ...]
    dates: tuple[str, ...]
    scale: dict[str, float]
    offset: dict[str, float]
    path: Path = Path("image")

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        """Return a window, 0 and not valid beyond the image."""
        raw = self.raw[..., y : y + height, x : x + width]
        valid = self.valid[:, y : y + height, x : x + width]
        rows, columns = raw.shape[-2:]
        if (rows, columns) == (height, width):
            return raw, valid
        wide = np.zeros((*raw.shape[:2], height, width), np.uint16)
        mask = np.zeros((len(valid), height, width), bool)
        wide[..., :rows, :columns], mask[:, :rows, :columns] = raw, valid
        return wide, mask


@dataclass(frozen=True)
class Inspected:
    """What is known of an upload before it is predicted.

    Attributes:
        facts: What it is.
        held: The image itself, where it is small.
    """

    facts: ImageFacts
    held: Held | None


def inspect(
    upload: Upload, model: Model, wishes: Wishes, limits: Limits, direct_pixels: int
) -> Inspected:
    """Judge an upload; of a small image, decode it.

    Args:
        upload: The image.
        model: The model.
        wishes: What the form asked for.
        limits: How large it may be.
        direct_pixels: Up to how many pixels it is decoded here.

    Raises:
        Problem: When it cannot be used.
    """
    if wishes.output == "footprints.geojson" and model.target is None:
        raise no_polygons()
    with opened(upload, limits) as (dataset, facts):
        plan = plan_for(dataset, model, wishes.scaling)
        scene = ImageScene(dataset, facts, plan, model.predictor.bands)
        height, width = facts.grid.shape
        if facts.pixels > direct_pixels:
            if facts.format == "GTiff":  # others could only be decoded from the top down
                sides = (min(_SAMPLE, height), min(_SAMPLE, width))
                middle = (height - sides[0]) // 2, (width - sides[1]) // 2
                check_scale(scene, model, *scene.sample(*middle, *sides))
            return Inspected(facts, None)
        raw, valid, clipped = scene.sample(0, 0, height, width)
        check_scale(scene, model, raw, valid, clipped)
        held = Held(raw, valid, facts.grid, scene.bands, scene.dates, scene.scale, scene.offset)
        return Inspected(facts, held)


def check_scale(
    scene: ImageScene,
    model: Model,
    raw: NDArray[np.uint16],
    valid: NDArray[np.bool_],
    clipped: int,
) -> None:
    """See that an image's values are of the order of those that the model learnt from.

    Args:
        scene: The image.
        model: The model.
        raw: uint16 (date, band, height, width), a sample of it.
        valid: bool (date, height, width).
        clipped: Values of the sample beyond what can be stored.

    Raises:
        Problem: 422 when they are not.
    """
    if clipped > _MOST_CLIPPED * raw.size:
        raise Problem(
            422,
            "other-scale",
            f"{clipped} of {raw.size} values are beyond any reflectance (-0.1 to 6.45)",
            _SCALE,
        )
    predictor = model.predictor
    scale, offset = list(scene.scale.values()), list(scene.offset.values())
    try:
        step = max(1, max(raw.shape[-2:]) // _LOOKED_AT)  # means need no more
        few = np.s_[..., ::step, ::step]
        predictor.check_scale("image", raw[few], valid[few], scale, offset)
    except InputError as error:
        detail = error.problem.replace(str(predictor.folder), repr(model.name))
        raise Problem(422, "other-scale", detail, _SCALE) from error


def answer(
    inspected: Inspected,
    model: Model,
    wishes: Wishes,
    batcher: Batcher,
    folder: Path,
    stop: Callable[[], bool],
) -> bytes:
    """Predict a small image and return what was asked for.

    Args:
        inspected: The image.
        model: The model.
        wishes: What the form asked for.
        batcher: Joins windows of several requests.
        folder: Where temporary files go.
        stop: Whether nobody waits any more.

    Raises:
        Halted: When `stop` said so.
    """
    held = inspected.held
    assert held is not None
    start = time.perf_counter()
    levels, classes = predict_in_memory(held, model, batcher, stop)
    seconds = time.perf_counter() - start
    threshold = model.threshold if wishes.threshold is None else wishes.threshold
    legend = Legend(model.predictor.table, model.target)
    level = legend.level(threshold)
    if wishes.output == "statistics.json":
        table = histogram(levels, classes, legend.table.count)
        ground = inspected.facts.ground
        counts = class_pixels(legend, table, level)
        values = {
            "job": None,
            "model": model.name,
            "threshold": threshold,
            **pixel_statistics(legend, table, counts, ground[1] if ground else None),
            "footprints": None
            if model.target is None
            else polygons.summary(polygons.from_levels(levels, held.grid, level)),
            "image": inspected.facts.describe(),
            "seconds": round(seconds, 4),
        }
        return StatisticsAnswer.model_validate(values).model_dump_json().encode()
    if wishes.output == "footprints.geojson":
        table_ = polygons.from_levels(levels, held.grid, level)
        return polygons.as_geojson(table_, held.grid, "").encode()
    if wishes.output == "probability.tif":
        name = legend.table.names[-1] if legend.target else "the mapped class"
        return _raster(
            folder,
            held.grid,
            levels,
            nodata=NO_CONFIDENCE,
            tags={"SCALE": f"1/{LEVELS}"},
            description=f"probability of {name}",
        )
    ids = legend.ids(levels, classes, level)
    if wishes.output == "mask.tif":
        return _raster(folder, held.grid, ids, nodata=0, table=legend.table)
    return mask_png(ids, legend.table)


def _raster(folder: Path, grid: Grid, values: NDArray[np.uint8], **options: Any) -> bytes:
    """Return values as the bytes of a COG, written as the batch rules write theirs.

    Args:
        folder: Where a temporary file may go.
        grid: Of the image.
        values: uint8 (height, width).
        **options: Of `nadir.raster.cog.MapWriter`.
    """
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = Path(place) / "raster.tif"
        with MapWriter(path, grid, **options) as writer:
            writer.write(0, 0, values)
        return path.read_bytes()
