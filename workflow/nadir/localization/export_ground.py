"""Where and when a case's networks were trained, for the item of their bundle."""

from __future__ import annotations

import os
from datetime import date

from nadir.learn.exportable import Ground
from nadir.localization.casefile import read_case
from nadir.raster.extent import geographic_extent


def case_ground(path: str | os.PathLike[str]) -> Ground:
    """Return the ground of a case's substrate, and the days of its photos.

    Args:
        path: `case.json`.

    Raises:
        InputError: When it cannot be read.
    """
    case = read_case(path)
    extent = geographic_extent([case.grid] if case.grid else [])
    days = sorted(day for name in case.facts["photos"]["dates"] if _is_day(day := str(name)))
    return Ground(
        geometry=extent[0] if extent else None,
        bounds=extent[1] if extent else None,
        first=days[0] if days else None,
        last=days[-1] if days else None,
    )


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
