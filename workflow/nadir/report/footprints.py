"""Scores of footprints beside those of pixels, in comparisons of building models."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from nadir.errors import InputError
from nadir.report.page import definitions, sortable_table
from nadir.report.scores import SPLITS


class Measure(NamedTuple):
    """A score of footprints: where `footprints.json` has it, and what it is called and means."""

    part: str
    key: str
    name: str
    meaning: str
    digits: int = 3


FOOTPRINT_MEASURES = (
    Measure("pooled", "precision", "precision", "share of the predicted footprints that are right"),
    Measure("pooled", "recall", "recall", "share of the true footprints that were found"),
    Measure("pooled", "f1", "F1", "harmonic mean of precision and recall, all scenes together"),
    Measure(
        "pooled",
        "boundary_error_m",
        "boundary error m",
        "median over the matches of the mean distance of the boundaries, in metres; a dash where "
        "pictures have no georeference or nothing matches",
        2,
    ),
    Measure("pooled", "pixel_iou", "pixel IoU", "IoU of building pixels, all scenes together"),
    Measure("median", "pixel_iou", "median IoU of scenes", "half of the scenes have more"),
    Measure("mean", "pixel_iou", "mean IoU of scenes", "each scene counts alike"),
    Measure("median", "f1", "median F1 of scenes", "half of the scenes have more"),
    Measure("tiles", "median_iou", "median IoU of tiles", "over tiles of 256 pixels"),
    Measure("tiles", "median_accuracy", "median accuracy of tiles", "over tiles of 256 pixels"),
)
"""What is shown, in this order; a match is one of at least IoU 0.5."""

_SCENE_KEYS = ("f1", "boundary_error_m", "pixel_iou", "pixel_accuracy")
_SCENE_HEADS = ("F1", "boundary error m", "pixel IoU", "accuracy")


@dataclass(frozen=True)
class Footprints:
    """The scores of one experiment's footprints.

    Attributes:
        scores: (split, part, key) -> value; None where it is undefined.
        scenes: Scene of the test -> key -> value.
    """

    scores: dict[tuple[str, str, str], float | None]
    scenes: dict[str, dict[str, float | None]]

    def of(self, split: str, measure: Measure) -> float | None:
        """Return a score."""
        return self.scores.get((split, measure.part, measure.key))


Named = Mapping[tuple[str, str], Footprints]
"""(dataset, experiment) -> scores of its footprints."""


def read_footprint_scores(paths: Iterable[str | os.PathLike[str]]) -> Named:
    """Read `.../<dataset>/<experiment>/footprints.json` files.

    Raises:
        InputError: When a file is absent or is no such file.
    """
    return {(path.parent.parent.name, path.parent.name): _read(path) for path in map(Path, paths)}


def _read(path: Path) -> Footprints:
    remedy = "Delete it, if it is there, and run snakemake again."
    try:
        splits: dict[str, Any] = json.loads(path.read_text())["splits"]
        scores = {
            (split, part, key): values[part].get(key)
            for split, values in splits.items()
            for part, key, *_ in FOOTPRINT_MEASURES
        }
        scenes = {
            name: {key: values.get(key) for key in _SCENE_KEYS}
            for name, values in splits.get("test", {"scenes": {}})["scenes"].items()
        }
        return Footprints(scores, scenes)
    except OSError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"these are no scores of footprints ({error!r})", remedy) from error


def footprint_heads() -> list[str]:
    """Return the headings of the columns of a table for machines."""
    return [f"{split} {measure.name}" for split in SPLITS for measure in FOOTPRINT_MEASURES]


def footprint_cells(found: Footprints | None) -> list[str]:
    """Return the cells of these columns, empty where there is no such score."""
    values = [
        found.of(split, measure) if found else None
        for split in SPLITS
        for measure in FOOTPRINT_MEASURES
    ]
    return ["" if value is None else f"{value:.6f}" for value in values]


def footprints_section(named: Named, number: int) -> list[str]:
    """Return the lines of the section about footprints: by experiment, and by scene of the test.

    Args:
        named: The scores; none gives no lines.
        number: Number of the first table on its page.
    """
    if not named:
        return []
    heads = [("text", "dataset"), ("text", "experiment")]
    caption = "Buildings found on the test; two footprints match from an IoU of 0.5 on."
    measures = FOOTPRINT_MEASURES
    lines = [
        _line(names, [(found.of("test", measure), measure.digits) for measure in measures])
        for names, found in named.items()
    ]
    by_scene = [
        _line((*names, scene), [(values[key], 2 if key.endswith("_m") else 3) for key in values])
        for names, found in named.items()
        for scene, values in found.scenes.items()
    ]
    columns = [*heads, *(("number", measure.name) for measure in measures)]
    scene_columns = [*heads, ("text", "scene"), *(("number", name) for name in _SCENE_HEADS)]
    return [
        "<h2>Footprints</h2>",
        *sortable_table(caption, columns, lines, number),
        "<h2>Scene by scene</h2>",
        *sortable_table("Each scene of the test.", scene_columns, by_scene, number + 1),
        *definitions((measure.name, measure.meaning) for measure in measures),
    ]


def _line(names: Sequence[str], values: Iterable[tuple[float | None, int]]) -> str:
    texts = "".join(
        f'<th scope="row">{escape(name)}</th>' if place == 1 else f"<td>{escape(name)}</td>"
        for place, name in enumerate(names)
    )
    numbers = "".join(
        '<td class="number" data-value="">–</td>'
        if value is None
        else f'<td class="number" data-value="{value:.6f}">{value:.{digits}f}</td>'
        for value, digits in values
    )
    return f"<tr>{texts}{numbers}</tr>"
