"""Positions of photos as JSON files: four corners and an angle, read and checked."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.localization.pose import CORNERS, Pose
from nadir.provenance.files import read_bytes

_REMEDY = (
    "It must hold left_top, right_top, left_bottom and right_bottom as [x, y] in pixels of the "
    "substrate, and angle in degrees."
)


@dataclass(frozen=True, eq=False)
class Record:
    """What one JSON file says; what it means, `Conventions` tells.

    Attributes:
        corners: (4, 2) float64, x and y in the order of `CORNERS`.
        angle: Degrees.
    """

    corners: NDArray[np.float64]
    angle: float


def read_record(path: str | os.PathLike[str]) -> Record:
    """Read the position of a photo.

    Raises:
        InputError: When there is no such file, it holds no JSON, or as `parse_record` does.
    """
    data = read_bytes(path)
    if not data:
        raise InputError(path, "the file is empty (0 bytes)", "Copy or download it again.")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"this is no JSON ({error})", _REMEDY) from error
    return parse_record(value, path)


def parse_record(value: Any, file: str | os.PathLike[str]) -> Record:
    """Return the record that a parsed JSON file holds; keys beyond the five are ignored.

    Args:
        value: What the file holds.
        file: Its name, for messages.

    Raises:
        InputError: When a key is missing, or a value is not of finite numbers.
    """
    if not isinstance(value, dict):
        raise InputError(file, "it holds no JSON object", _REMEDY)
    lacking = [key for key in (*CORNERS, "angle") if key not in value]
    if lacking:
        raise InputError(file, f"it lacks {', '.join(lacking)}", _REMEDY)
    for key in CORNERS:
        point = value[key]
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_number, point)):
            raise InputError(file, f"{key} is {_short(point)}, not two numbers", _REMEDY)
    angle = value["angle"]
    if not _is_number(angle) or abs(angle) > 360:
        problem = f"angle is {_short(angle)}, not a number of degrees within a full turn"
        raise InputError(file, problem, _REMEDY)
    return Record(np.array([value[key] for key in CORNERS], np.float64), float(angle))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value) and abs(value) < 1e9
    except OverflowError:  # an integer beyond the largest float
        return False


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:37] + "..."


def fit_pose(record: Record, width: int, height: int, inset: float = 0.0) -> tuple[Pose, float]:
    """Return the similarity from photo to substrate that fits four corners best, least squares.

    Args:
        record: The corners.
        width: Columns of the photo.
        height: Rows of the photo.
        inset: 0 where corners are outer corners of the photo, 0.5 where they are the indices of
            its corner pixels.

    Returns:
        The pose, and the largest distance of a corner from where the pose puts it, in pixels.
    """
    photo = _photo_corners(width, height, inset)
    corners = record.corners @ (1, 1j)
    center = corners.mean()
    factor = np.vdot(photo, corners - center) / np.vdot(photo, photo).real
    residual = float(np.abs(corners - center - factor * photo).max())
    angle = float(np.rad2deg(np.angle(factor))) % 360.0
    return Pose(center.real + inset, center.imag + inset, angle, float(abs(factor))), residual


def _photo_corners(width: int, height: int, inset: float) -> NDArray[np.complex128]:
    """Return the corners of a photo around its center as complex numbers."""
    x, y = 0.5 * width - inset, 0.5 * height - inset
    return np.array([-x - 1j * y, x - 1j * y, -x + 1j * y, x + 1j * y])


def check_rectangle(
    record: Record, width: int, height: int, file: str | os.PathLike[str]
) -> tuple[Pose, float]:
    """See that corners form a rectangle of the photo's shape, and return `fit_pose` of them.

    Rounding to whole pixels is allowed for.

    Raises:
        InputError: When the corners coincide, are mirrored, or form no such rectangle.
    """
    pose, residual = fit_pose(record, width, height)
    extent = np.ptp(record.corners, axis=0).max()
    if extent < 2:
        raise InputError(file, "its corners coincide", "Give the corners of the whole photo.")
    allowed = max(2.0, 0.003 * pose.scale * np.hypot(width, height))
    if residual <= allowed:
        return pose, residual
    mirrored = Record(record.corners[[1, 0, 3, 2]], record.angle)
    if fit_pose(mirrored, width, height)[1] <= allowed:
        raise InputError(
            file,
            "its corners are mirrored: no turn of the photo brings them there",
            "Exchange the left and the right corners, or turn the picture over.",
        )
    raise InputError(
        file,
        f"its corners form no rectangle of the photo's shape, {width} x {height} "
        f"(the best one misses a corner by {residual:.1f} pixels)",
        "Correct the corners; photos are similar to their footprint, without shear or perspective.",
    )
