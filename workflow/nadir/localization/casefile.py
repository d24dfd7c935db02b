"""Facts about a case that later steps read: the file `case.json`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from nadir.errors import InputError
from nadir.localization.conventions import Conventions
from nadir.provenance.files import read_bytes
from nadir.raster.grid import Grid

_REMEDY = "Delete it, if it is there, and run snakemake again."


@dataclass(frozen=True)
class Case:
    """What `case.json` says.

    Attributes:
        path: The substrate.
        width: Its columns.
        height: Its rows.
        grid: Its grid, or None without georeference.
        conventions: What JSON files of this case mean.
        facts: All that the file says.
    """

    path: str
    width: int
    height: int
    grid: Grid | None
    conventions: Conventions
    facts: dict[str, Any]

    @property
    def ground(self) -> Grid:
        """The substrate's grid; without georeference its pixels are the coordinates."""
        return self.grid or Grid.of_pixels(self.height, self.width)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Case:
        """Return the case that `check_case` described."""
        ground = facts["substrate"]
        return cls(
            path=str(ground["path"]),
            width=int(ground["width"]),
            height=int(ground["height"]),
            grid=Grid.from_dict(ground["grid"]) if ground["grid"] else None,
            conventions=Conventions.from_dict(facts["conventions"]),
            facts=facts,
        )


def read_case(path: str | os.PathLike[str]) -> Case:
    """Read `case.json`.

    Raises:
        InputError: When there is no such file, or it does not describe a case.
    """
    try:
        return Case.from_dict(json.loads(read_bytes(path)))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"it does not describe a case ({error!r})", _REMEDY) from error
