"""Exact poses of a simulated case, which integers in JSON files would round."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.errors import InputError
from nadir.localization.pose import Pose
from nadir.provenance.files import read_bytes

_REMEDY = "Simulate the case again, or remove the file."


@dataclass(frozen=True)
class ExactPose:
    """What the simulation knows of a photo.

    Attributes:
        pose: Where it was taken.
        date: Its date, or an empty text.
    """

    pose: Pose
    date: str


def read_exact(path: Path) -> dict[str, ExactPose]:
    """Read `truth.json`: {"photos": {NAME: {x, y, angle, scale, date, ...}}}.

    Raises:
        InputError: When there is no such file, or it is no such table.
    """
    try:
        photos = json.loads(read_bytes(path))["photos"]
        return {str(name): _entry(value) for name, value in photos.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"this is no table of exact poses ({error!r})", _REMEDY) from error


def _entry(value: dict[str, Any]) -> ExactPose:
    x, y, angle = (float(value[key]) for key in ("x", "y", "angle"))
    scale = float(value.get("scale", 1.0))
    if not all(map(math.isfinite, (x, y, angle, scale))) or scale <= 0:
        raise ValueError(f"no pose: {value}")
    return ExactPose(Pose(x, y, angle % 360.0, scale), str(value.get("date") or ""))
