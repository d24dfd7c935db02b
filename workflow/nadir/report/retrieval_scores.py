"""Gathering the scores of retrieval experiments into rows that tables and pictures share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.errors import InputError
from nadir.report.pose_scores import Value

_REMEDY = "Delete it, if it is there, and run snakemake again."

MEDIAN_RANK = "median rank"
MEASURES: tuple[tuple[str, str, str], ...] = (
    ("public", "Recall@1", "queries whose first answer shows their place, %"),
    ("public", "Recall@5", "queries with a right one among the first 5, %"),
    ("public", "Recall@10", "queries with a right one among the first 10, %"),
    (
        "public",
        "Recall@top1",
        "as the public University-1652 evaluator has it: queries with a right one among the first "
        "round(1 % of the gallery) + 1, %",
    ),
    (
        "public",
        "AP",
        "as that evaluator has it: area under precision and recall by trapezoids, %; a single "
        "right image at rank r counts 1 / (2 r), and 1 at rank 1",
    ),
    (
        "standard",
        "mean average precision",
        "the standard form: mean precision at the right images, %; queries whose place the "
        "gallery lacks are left out",
    ),
    ("standard", MEDIAN_RANK, "median rank of the first right image, from 1"),
)
"""Family, name in `metrics.json`, meaning."""

WEATHERS = "mean of weathers"
"""Mean recall at rank 1 over all weathers of an experiment."""


@dataclass(frozen=True)
class PlacesRow:
    """The scores of one experiment on one dataset, or of what followed its search.

    Attributes:
        dataset: Name of the dataset.
        experiment: Name of the experiment.
        after: What followed the search; "" for the search alone.
        queries: Direction -> queries that were scored.
        gallery: Direction -> images of the gallery.
        values: (direction, measure) -> figure; shares in percent.
    """

    dataset: str
    experiment: str
    after: str
    queries: dict[str, int]
    gallery: dict[str, int]
    values: dict[tuple[str, str], Value | None]

    @property
    def label(self) -> str:
        """Its name, unique among the rows of a dataset."""
        return f"{self.experiment} + {self.after}" if self.after else self.experiment

    @property
    def directions(self) -> list[str]:
        """The directions that were scored."""
        return [name for name, count in self.queries.items() if count]


def read_places_rows(paths: Iterable[str | os.PathLike[str]]) -> list[PlacesRow]:
    """Read `.../<dataset>/<experiment>/metrics.json` files.

    Returns:
        By dataset, experiments from the best recall at rank 1 of the first direction to the worst,
        each followed by what came after its search.

    Raises:
        InputError: When a file is absent or is no such file, or there is none at all.
    """
    groups = [_rows(Path(path)) for path in paths]
    if not groups:
        raise InputError("comparison", "there is nothing to compare", "Name metrics.json files.")
    groups.sort(key=lambda rows: _order(rows[0]))
    return [row for rows in groups for row in rows]


def _order(row: PlacesRow) -> tuple[str, float, str]:
    first = row.values.get((row.directions[0], "Recall@1")) if row.directions else None
    return row.dataset, -first.value if first else 1.0, row.experiment


def _rows(path: Path) -> list[PlacesRow]:
    """Return the rows of one file."""
    dataset, experiment = path.absolute().parts[-3:-1]
    try:
        parts: dict[str, dict[str, Any]] = json.loads(path.read_text())["directions"]
        kinds = list(
            dict.fromkeys(["", *(k for one in parts.values() for k in one.get("after", {}))])
        )
        return [_row(dataset, experiment, kind, parts) for kind in kinds]
    except OSError as error:
        raise InputError(path, "there is no such file", _REMEDY) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"these are no scores of retrieval ({error!r})", _REMEDY) from error


def _row(dataset: str, experiment: str, after: str, parts: dict[str, dict[str, Any]]) -> PlacesRow:
    queries: dict[str, int] = {}
    gallery: dict[str, int] = {}
    values: dict[tuple[str, str], Value | None] = {}
    for name, part in parts.items():
        found = part.get("after", {}).get(after) if after else part
        if found is None:
            continue
        queries[name], gallery[name] = int(found["queries"]), int(found["gallery"])
        if queries[name]:
            values |= {(name, measure): value for measure, value in _values(found)}
    return PlacesRow(dataset, experiment, after, queries, gallery, values)


def _values(found: dict[str, Any]) -> Iterator[tuple[str, Value | None]]:
    for family, name, _ in MEASURES:
        given = found[family][name]
        factor = 1.0 if name == MEDIAN_RANK else 100.0
        numbers = [given["value"], given["low"], given["high"]]
        if numbers[0] is None:
            yield name, None
            continue
        whole = [numbers[0] if number is None else number for number in numbers]
        yield name, Value(*(factor * float(number) for number in whole))
    mean = (found.get(WEATHERS) or {}).get("public", {}).get("Recall@1")
    if mean is not None:
        yield WEATHERS, Value(100 * mean, 100 * mean, 100 * mean)
