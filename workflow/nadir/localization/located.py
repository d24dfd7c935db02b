"""The picture that located photos make: a mosaic of those whose place is sure."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import pandas as pd

from nadir.localization.casefile import Case
from nadir.localization.mosaic import PlacedPhoto, placed_photos, write_mosaic
from nadir.localization.poses import aligned
from nadir.provenance.atomic import write_json
from nadir.raster.picture_cog import new_picture

log = logging.getLogger(__name__)


def resolved_photos(
    poses: pd.DataFrame, photos: pd.DataFrame, source: str | os.PathLike[str] = "poses"
) -> list[PlacedPhoto]:
    """Return the test photos whose answer is sure, at their answers' poses.

    Args:
        poses: Table of poses: every photo of the splits validation and test.
        photos: The photo table; poses that it holds are not looked at.
        source: File of the poses, for messages.

    Raises:
        InputError: When photos have no answer, or answers no photo.
    """
    answers = aligned(poses, photos, source)
    sure = answers[answers["resolved"]]
    tests = photos.loc[photos["split"] == "test", ["photo", "path", "width", "height"]]
    return placed_photos(tests.merge(sure[["photo", "x", "y", "angle", "scale"]], on="photo"))


def write_located(
    poses: pd.DataFrame,
    photos: pd.DataFrame,
    case: Case,
    path: str | os.PathLike[str],
    *,
    workers: int | None = None,
    source: str | os.PathLike[str] = "poses",
) -> dict[str, Any]:
    """Write the mosaic of the test photos whose answer is sure, as a COG on the substrate's grid.

    Where no answer is sure, the picture is there and empty: all of it is masked out.

    Args:
        poses: Table of poses.
        photos: The photo table.
        case: The case.
        path: The picture to write (`NAME.tif`); facts about it go to `NAME.json`.
        workers: Threads.
        source: File of the poses, for messages.

    Returns:
        The facts, as `mosaic.write_mosaic` gives them.

    Raises:
        InputError: When photos have no answer, or a photo cannot be read.
        OutputError: When the disk is full or not writable.
    """
    placed = resolved_photos(poses, photos, source)
    if placed:
        return write_mosaic(placed, case.ground, path, workers)
    log.warning("%s: the place of no test photo is sure, so the mosaic is empty", path)
    with new_picture(path, case.ground):
        facts: dict[str, Any] = {"photos": [], "coverage": 0.0, "mean_observations": 0.0}
    write_json(Path(path).with_suffix(".json"), facts)
    return facts
