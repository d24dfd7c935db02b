"""Results of a job on disk: made once, and derived again for other thresholds without a model."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window

from nadir.config.classes import ClassTable
from nadir.provenance.atomic import atomic_path, remove_path, write_json
from nadir.provenance.geopackage import write_geopackage
from nadir.raster.cog import MapWriter, gdal_write_faults
from nadir.raster.features import LAYER
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.blend import NO_CONFIDENCE
from nadir.segmentation.footprint_extract import IN_PIXELS
from nadir.service import polygons
from nadir.service.layers import Legend, class_pixels, histogram, levels_of_percent
from nadir.service.problems import Problem

PROBABILITY, MAP, CONFIDENCE = "probability.tif", "map.tif", "confidence.tif"
FILES = ("mask.tif", "mask.png", "probability.tif")
POLYGON_FILES = ("footprints.geojson", "footprints.gpkg")
MEDIA_TYPES = {
    ".tif": "image/tiff; application=geotiff",
    ".png": "image/png",
    ".geojson": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".json": "application/json",
}
"""Ending of a file -> its media type."""

_STRIP = 512
_KEPT = 12  # derived files that are kept for a job, besides those of its own threshold
_FACTS = "facts.json"


class _Lock:
    """A lock that is forgotten when nobody holds it or waits for it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_locks: WeakValueDictionary[Path, _Lock] = WeakValueDictionary()
_guard = threading.Lock()


@dataclass(frozen=True)
class Result:
    """The files of a finished prediction.

    Attributes:
        folder: Where they lie.
        legend: What their values mean.
        table: Histogram of levels, (K + 1, 256).
        threshold: The job's own.
        grid: Grid of the image.
    """

    folder: Path
    legend: Legend
    table: NDArray[np.int64]
    threshold: float | None
    grid: Grid

    @classmethod
    def open(cls, folder: Path) -> Result:
        """Open what `finish` made."""
        facts = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        legend = Legend(ClassTable.model_validate(facts["classes"]), facts["target"])
        return cls(
            folder,
            legend,
            np.asarray(facts["histogram"], np.int64),
            facts["threshold"],
            Grid.from_dict(facts["grid"]),
        )

    def file(self, name: str, threshold: float | None, space: str = "") -> Path:
        """Return a file at a threshold, made if it is not there.

        Args:
            name: One of `FILES` and `POLYGON_FILES`.
            threshold: By default the job's own.
            space: For polygons: `ground` or `pixels`, by default ground where there is one.

        Raises:
            Problem: 422 for polygons of a model of many classes, or too large an image.
            OutputError: When the disk is full.
        """
        if name == PROBABILITY:
            return self.folder / PROBABILITY
        return self._made(name, self.level(threshold), space)

    def _made(self, name: str, level: int, space: str = "") -> Path:
        """Return a file at a level, made if it is not there."""
        stem, _, ending = name.partition(".")
        make: Callable[[Path, int], None] = {
            "mask.tif": self._make_mask,
            "mask.png": self._make_picture,
            "footprints.gpkg": self._make_geopackage,
            "footprints.geojson": lambda path, level: self._make_geojson(path, level, space),
        }[name]
        path = self.folder / f"{stem}{'-' + space if space else ''}-{level}.{ending}"
        with _lock_of(path):
            if not path.exists():
                make(path, level)
                self._drop_oldest(level)
        return path

    def level(self, threshold: float | None) -> int:
        """Return the level of a threshold, by default of the job's own."""
        return self.legend.level(self.threshold if threshold is None else threshold)

    def statistics(self, threshold: float | None, pixel_area: float | None) -> dict[str, Any]:
        """Return counts of pixels at a threshold, by class, and of footprints where known."""
        level = self.level(threshold)
        counts = class_pixels(self.legend, self.table, level)
        return {
            "threshold": self.threshold if threshold is None else threshold,
            **pixel_statistics(self.legend, self.table, counts, pixel_area),
            "footprints": polygons.summary_of_file(self.folder / f"footprints-{level}.gpkg"),
        }

    def _make_mask(self, path: Path, level: int) -> None:
        """Write class ids as COG."""
        with MapWriter(path, self.grid, table=self.legend.table, nodata=0) as writer:
            for y, levels, classes in self._strips():
                writer.write(y, 0, self.legend.ids(levels, classes, level))

    def _make_picture(self, path: Path, level: int) -> None:
        """Write class ids as indexed PNG, row by row: it may be larger than memory."""
        mask = self._made("mask.tif", level)
        room = 2 * mask.stat().st_size
        with (
            rasterio.Env(GDAL_PAM_ENABLED="NO"),
            atomic_path(path, ".png") as temporary,
            gdal_write_faults(path, temporary, room),
        ):
            rasterio.shutil.copy(str(mask), str(temporary), driver="PNG", ZLEVEL="4")

    def _make_geopackage(self, path: Path, level: int) -> None:
        """Write footprints as GeoPackage."""
        if self.legend.target is None:
            raise no_polygons()
        said = "" if self.grid.crs else f" {IN_PIXELS}"
        table = polygons.from_raster(self.folder / PROBABILITY, level)
        write_geopackage(path, table, LAYER, f"Footprints of buildings.{said}")

    def _make_geojson(self, path: Path, level: int, space: str) -> None:
        """Write the footprints of the GeoPackage as GeoJSON."""
        table = polygons.read_geopackage(self._made("footprints.gpkg", level))
        polygons.write_geojson(path, table, self.grid, space)

    def _strips(self) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8] | None]]:
        """Yield first row, levels and classes of strips of rows."""
        yield from strips(self.folder, self.legend)

    def _drop_oldest(self, level: int) -> None:
        """Remove the files that were derived longest ago, beyond some."""
        own = self.level(None)
        derived = [
            path
            for path in self.folder.glob("*-*.*")
            if not path.name.startswith(".") and path.stem.rpartition("-")[2] not in (str(own),)
        ]
        derived = [path for path in derived if path.stem.rpartition("-")[2] != str(level)]
        for path in sorted(derived, key=lambda item: item.stat().st_mtime)[:-_KEPT]:
            remove_path(path)


def finish(folder: Path, legend: Legend, threshold: float | None, grid: Grid) -> Result:
    """Take up a finished prediction: write what later answers are read off.

    Args:
        folder: With `probability.tif` for binary models, else `map.tif` and `confidence.tif`.
        legend: What the values mean.
        threshold: The job's own.
        grid: Grid of the image.

    Raises:
        OutputError: When the disk is full.
    """
    if legend.target is None and not (folder / PROBABILITY).exists():
        _levels_from_confidence(folder)
    total = np.zeros((legend.table.count + 1, 256), np.int64)
    for _, levels, classes in strips(folder, legend):
        total += histogram(levels, classes, legend.table.count)
    facts = {
        **legend.to_dict(),
        "threshold": threshold,
        "grid": grid.to_dict(),
        "histogram": total,
    }
    write_json(folder / _FACTS, facts)
    if legend.target is not None:
        for name in (MAP, CONFIDENCE):  # any threshold's map comes from the probability
            remove_path(folder / name)
    return Result.open(folder)


def strips(
    folder: Path, legend: Legend
) -> Iterator[tuple[int, NDArray[np.uint8], NDArray[np.uint8] | None]]:
    """Yield first row, levels and (of many) classes of strips of rows of a prediction."""
    with open_raster(str(folder / PROBABILITY)) as source:
        other = open_raster(str(folder / MAP)) if legend.target is None else None
        try:
            for y in range(0, source.height, _STRIP):
                window = Window(0, y, source.width, min(_STRIP, source.height - y))
                classes = other.read(1, window=window) if other is not None else None
                yield y, source.read(1, window=window), classes
        finally:
            if other is not None:
                other.close()


def pixel_statistics(
    legend: Legend,
    table: NDArray[np.int64],
    counts: dict[int, int],
    pixel_area: float | None,
) -> dict[str, Any]:
    """Return pixels, shares and areas by class."""
    valid = int(table[:, :NO_CONFIDENCE].sum())
    names, colors = legend.table.names, legend.table.colors
    return {
        "pixels": {"all": int(table.sum()), "valid": valid},
        "classes": [
            {
                "id": number,
                "name": names[number],
                "color": colors[number],
                "pixels": count,
                "share": count / valid if valid else 0.0,
                "area_m2": None if pixel_area is None else round(count * pixel_area, 3),
            }
            for number, count in sorted(counts.items())
        ],
    }


def no_polygons() -> Problem:
    """Return the problem of footprints asked of a model that has none."""
    return Problem(
        422,
        "no-footprints",
        "this model maps many classes, and footprints are of one",
        "Ask for mask.tif or statistics.json, or use a model of buildings.",
    )


def _levels_from_confidence(folder: Path) -> None:
    """Write the probability of the mapped class as levels."""
    with (
        open_raster(str(folder / CONFIDENCE)) as source,
        MapWriter(folder / PROBABILITY, Grid.of(source), nodata=NO_CONFIDENCE) as writer,
    ):
        for y in range(0, source.height, _STRIP):
            window = Window(0, y, source.width, min(_STRIP, source.height - y))
            writer.write(y, 0, levels_of_percent(source.read(1, window=window)))


def _lock_of(path: Path) -> _Lock:
    """Return the lock of a file that is made on demand."""
    with _guard:
        return _locks.setdefault(path, _Lock())
