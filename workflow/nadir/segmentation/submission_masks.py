"""The archive of the INRIA benchmark: one binary mask a scene, named as its image."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.provenance.atomic import atomic_path, write_faults
from nadir.raster.geotiff import open_raster
from nadir.raster.grid import Grid
from nadir.segmentation.submission import (
    add_file,
    check_map,
    parts_folder,
    windows_of,
    write_part,
)
from nadir.segmentation.threshold import positive_id

log = logging.getLogger(__name__)

BUILDING, OTHER = 255, 0
"""Values of a mask; ground without data counts as no building."""


def pack_masks(
    maps: Mapping[str, str | os.PathLike[str]],
    grids: Mapping[str, Grid],
    classes: ClassTable,
    path: str | os.PathLike[str],
    *,
    names: Mapping[str, str] | None = None,
) -> list[str]:
    """Pack maps of buildings into `submission.zip`: GeoTIFFs of 0 and 255, compressed.

    Everything is checked before the archive appears; equal maps give equal bytes (sorted names,
    fixed times).

    Args:
        maps: Scene -> map (uint8 class ids, 0 = no data).
        grids: Scene -> grid of the scene's image, on which its map must lie.
        classes: The class table.
        path: The archive to write.
        names: Scene -> file name of its image; by default `<scene>.tif`.

    Returns:
        The names in the archive.

    Raises:
        InputError: When there is no map, two scenes have one name, or a map cannot be read, has
            another grid than its image, or values outside the class table.
        OutputError: When the disk is full or not writable. No archive is left then.
    """
    if not maps:
        raise InputError("submission", "there is no map to hand in", "Predict at least one scene.")
    called = _called(maps, names or {})
    for scene in sorted(maps):
        check_map(maps[scene], grids[scene], classes, placed=False)
    values = np.zeros(256, np.uint8)
    values[positive_id(classes)] = BUILDING
    path = Path(path)
    with (
        write_faults(path),
        atomic_path(path, ".zip") as temporary,
        parts_folder(path) as folder,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive,  # GeoTIFFs are compressed
    ):
        for name, scene in sorted(called.items()):
            grid, part = grids[scene], folder / name
            write_part(maps[scene], (0, 0, grid.height, grid.width), grid, values, part)
            add_file(archive, name, part)
            part.unlink()
        archive.close()
        check_masks(temporary, {name: grids[scene] for name, scene in sorted(called.items())})
    log.info("%s: %d masks", path, len(called))
    return sorted(called)


def _called(maps: Mapping[str, object], names: Mapping[str, str]) -> dict[str, str]:
    """Return file name -> scene."""
    called: dict[str, str] = {}
    for scene in sorted(maps):
        name = f"{Path(names.get(scene) or scene).stem}.tif"
        if name in called:
            raise InputError(
                "submission",
                f"scenes {called[name]} and {scene} would both be {name}",
                "Hand in images of different names.",
            )
        called[name] = scene
    return called


def check_masks(path: str | os.PathLike[str], grids: Mapping[str, Grid]) -> None:
    """Read an archive back and see that it is what the benchmark asks for.

    Args:
        path: The archive.
        grids: File name -> grid that it must have, in the order of the archive.

    Raises:
        InputError: When files are missing, or one is no uint8 mask of 0 and 255 on its grid, or
            is not compressed.
    """
    remedy = "Delete it and run the command again."
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None or archive.namelist() != list(grids):
            raise InputError(path, "files in the archive are missing or damaged", remedy)
    for name, grid in grids.items():
        with open_raster(f"/vsizip/{os.path.abspath(path)}/{name}") as dataset:
            fits = dataset.count == 1 and dataset.dtypes == ("uint8",) and dataset.compression
            if not fits or not Grid.of(dataset).same_as(grid):
                raise InputError(path, f"{name} is no compressed uint8 mask of its image", remedy)
            for window in windows_of(grid):
                if not np.isin(dataset.read(1, window=window), (OTHER, BUILDING)).all():
                    raise InputError(path, f"{name} holds other values than 0 and 255", remedy)
