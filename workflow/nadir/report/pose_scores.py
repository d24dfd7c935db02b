"""Gathering the scores of localization experiments into rows that tables and pictures share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nadir.errors import InputError

SPLITS = ("test", "validation")
"""Splits that are compared, the one that counts first."""

FLOORS = ("constant", "random")
"""Answers that look at no photo, in every `metrics.json`."""

_REMEDY = "Delete it, if it is there, and run snakemake again."


class Measure(NamedTuple):
    """A column: key in `metrics.json`, heading, meaning, factor on the value, digits, unit."""

    key: str
    name: str
    meaning: str
    factor: float
    digits: int
    unit: str


MEASURES = (
    Measure(
        "score",
        "score",
        "the challenge's score as it was meant: 1 minus 0.7 times the error of the center as a "
        "share of the substrate's sides, minus 0.3 times that of the angle, the short way round",
        1,
        4,
        "",
    ),
    Measure(
        "score_as_published",
        "score as published",
        "the same as its script computes it: for want of parentheses, wrong angles raise it",
        1,
        4,
        "",
    ),
    Measure("success", "success", "photos right in both center and angle", 100, 1, "%"),
    Measure(
        "center_px_median", "median error", "median error of the center, in pixels", 1, 2, "px"
    ),
    Measure(
        "center_px_p90", "90 % error", "error of the center that 90 % do not exceed", 1, 2, "px"
    ),
    Measure("angle_deg_median", "median turn", "median error of the angle", 1, 2, "°"),
    Measure("coverage", "coverage", "answers that the method does not flag as unsure", 100, 1, "%"),
    Measure("precision", "precision", "right ones among those", 100, 1, "%"),
)
"""What is compared."""


class Value(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PoseRow:
    """The scores of one experiment.

    Attributes:
        name: Name of the experiment, or of the floor.
        floor: Whether it looks at no photo.
        photos: Split -> scored photos.
        values: (split, measure) -> figure; None where there is none.
    """

    name: str
    floor: bool
    photos: dict[str, int]
    values: dict[tuple[str, str], Value | None]

    @property
    def label(self) -> str:
        """Its name, unique among the rows: an experiment may be named as a floor is."""
        return f"{self.name} (floor)" if self.floor else self.name


def read_pose_rows(paths: Iterable[str | os.PathLike[str]]) -> list[PoseRow]:
    """Read the `.../<experiment>/metrics.json` files of one dataset.

    Returns:
        One row an experiment, from the best score to the worst, then the floors. Experiments that
        are themselves a floor are shown as such, once.

    Raises:
        InputError: When a file is absent or is no such file, or when there is none at all, or when
            one was made from other photos than the others.
    """
    rows: dict[str, PoseRow] = {}
    floors: dict[str, PoseRow] = {}
    for path in map(Path, paths):
        splits = _read(path)
        own = {name: _row(path, name, splits, floor=True) for name in FLOORS}
        floors = floors or own
        if own != floors:
            raise InputError(
                path,
                "its floors differ from those of the other experiments, so it was scored on other "
                "photos",
                "Compare experiments of one dataset, and score them anew.",
            )
        row = _row(path, "answers", splits, floor=False)
        if not any(row.values == floor.values for floor in floors.values()):
            name = path.parent.name
            rows[name] = PoseRow(name, False, row.photos, row.values)
    if not floors:
        raise InputError("comparison", "there is nothing to compare", "Name metrics.json files.")
    return [*sorted(rows.values(), key=_order), *floors.values()]


def shown_split(rows: Iterable[PoseRow]) -> str | None:
    """Return the split that counts: test where it was scored, else validation, else None."""
    scored = {split for row in rows for split in row.photos}
    return next((split for split in SPLITS if split in scored), None)


def _order(row: PoseRow) -> tuple[float, str]:
    split = shown_split([row])
    best = row.values.get((split, "score")) if split else None
    return -best.value if best else 1.0, row.name


def _read(path: Path) -> dict[str, Any]:
    try:
        splits = json.loads(path.read_text())["splits"]
        return {name: dict(splits[name]) for name in SPLITS if name in splits}
    except OSError as error:
        raise InputError(path, "there is no such file", _REMEDY) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"these are no scores of poses ({error!r})", _REMEDY) from error


def _row(path: Path, name: str, splits: dict[str, Any], floor: bool) -> PoseRow:
    try:
        photos = {split: int(kinds[name]["photos"]) for split, kinds in splits.items()}
        values = {
            (split, measure.key): _value(kinds[name][measure.key], measure.factor)
            for split, kinds in splits.items()
            for measure in MEASURES
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, f"these are no scores of poses ({error!r})", _REMEDY) from error
    return PoseRow(name, floor, photos, values)


def _value(given: dict[str, Any] | None, factor: float) -> Value | None:
    """Return a figure with its interval: Wilson's for shares, which never shrinks to nothing."""
    if given is None:
        return None
    low, high = given.get("wilson") or (given["low"], given["high"])
    return Value(*(factor * float(number) for number in (given["value"], low, high)))
