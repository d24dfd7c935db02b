"""Answers: one pose a photo, with how sure it is, as a table."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from nadir.errors import InputError, did_you_mean
from nadir.localization.photos import asked
from nadir.provenance.tables import read_table, refuse_doubles, write_table

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        *((name, pa.float64()) for name in ("x", "y", "angle", "scale")),
        *((name, pa.float64()) for name in ("sd_x", "sd_y", "sd_angle")),
        *((name, pa.float64()) for name in ("cov_xy", "cov_xa", "cov_ya")),
        ("margin", pa.float64()),
        ("probability", pa.float64()),
        ("resolved", pa.bool_()),
        ("reference", pa.string()),
        ("stage", pa.string()),
    ]
)
"""Columns of the poses: pixels of the substrate and degrees, their standard deviations and
covariances, margin over the runner-up, probability of being right, whether it is high enough,
the reference that the photo was found on, and the stage that found it. NaN: not given.
"""

_AGAIN = "Delete it and run snakemake again."


def pose_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return a table of poses from rows; what a row leaves out is not given.

    Args:
        rows: Each with `photo`, `x`, `y`, `angle`, `scale` and any other column of `SCHEMA`.
    """
    empty: dict[str, Any] = {
        field.name: np.nan if pa.types.is_floating(field.type) else "" for field in SCHEMA
    } | {"resolved": False}
    frame = pd.DataFrame([empty | row for row in rows], columns=SCHEMA.names)
    kinds = {pa.string(): "str", pa.bool_(): "bool", pa.float64(): "float64"}
    return frame.astype({field.name: kinds[field.type] for field in SCHEMA})


def write_poses(path: str | os.PathLike[str], poses: pd.DataFrame) -> None:
    """Write a table of poses, sorted by photo.

    Raises:
        InputError: When it holds what is no pose.
        OutputError: When the disk is full or not writable.
    """
    check_poses(poses, path)
    write_table(path, poses.sort_values("photo", kind="stable"), SCHEMA)


def read_poses(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a table of poses.

    Raises:
        InputError: When there is no such file, or it is no table of poses.
    """
    frame = read_table(path, SCHEMA, "table of poses")
    check_poses(frame, path)
    return frame


def check_poses(poses: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """See that a table holds poses: one a photo, finite, in range.

    Raises:
        InputError: When it does not.
    """
    refuse_doubles(poses, path, "table of poses")
    values = poses[["x", "y", "angle", "scale"]].to_numpy(float)
    angle, scale = values[:, 2], values[:, 3]
    sure = poses["probability"].to_numpy(float)
    spread = poses[["sd_x", "sd_y", "sd_angle"]].to_numpy(float)
    faults = (
        ("x, y, angle or scale is not finite", ~np.isfinite(values).all(axis=1)),
        ("the angle is outside 0 to 360", ~((angle >= 0) & (angle < 360))),
        ("the scale is not positive", ~(scale > 0)),
        ("the probability is outside 0 to 1", (sure < 0) | (sure > 1)),
        ("a standard deviation is negative", (spread < 0).any(axis=1)),
    )
    for problem, rows in faults:
        if rows.any():
            name = poses["photo"].to_numpy()[rows][0]
            raise InputError(path, f"photo {name!r}: {problem}", _AGAIN)


def aligned(
    poses: pd.DataFrame, photos: pd.DataFrame, path: str | os.PathLike[str]
) -> pd.DataFrame:
    """Return poses in the order of the photos that must be answered (`photos.asked`).

    Args:
        poses: The answers.
        photos: The photo table of the case.
        path: File of the answers, for messages.

    Raises:
        InputError: When photos have no answer, or answers no photo.
    """
    wanted = asked(photos)["photo"].tolist()
    lacking = sorted(set(wanted) - set(poses["photo"]))
    if lacking:
        shown = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        problem = f"{len(lacking)} of {len(wanted)} photos have no answer ({shown})"
        raise InputError(path, problem, "Locate the photos of this very case.")
    strange = sorted(set(poses["photo"]) - set(wanted))
    if strange:
        problem = f"it answers {strange[0]!r}, which nobody asked for"
        hint = did_you_mean(strange[0], wanted)
        raise InputError(path, problem + hint, "Locate the photos of this very case.")
    return poses.set_index("photo").loc[wanted].reset_index()
