"""Gathering the scores of several experiments into rows that tables and pictures share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.errors import InputError

MEASURES = (
    ("miou", "mIoU", "mean intersection over union of the classes that occur"),
    ("accuracy", "accuracy", "share of pixels mapped right"),
    ("kappa", "kappa", "agreement beyond chance (Cohen 1960)"),
    ("mdice", "mean Dice", "mean Dice coefficient (F1 score) of the classes that occur"),
)
"""Key in `metrics.json`, heading and meaning of each overall score."""
SPLITS = ("test", "validation")
"""Splits that are compared, the one that counts first."""


@dataclass(frozen=True)
class Row:
    """The scores of one experiment on one dataset.

    Attributes:
        dataset: Name of the dataset.
        experiment: Name of the experiment.
        method: How tiles were split.
        leaky: Whether the test shares scenery with the training, so that scores flatter.
        model: Name of the model.
        parameters: Number of trained parameters, if the model has such.
        classes: Class names by id from 1.
        scores: (split, measure) -> value; None where it is undefined.
        iou: (split, class name) -> IoU; None where the class does not occur.
        pixels: Split -> scored pixels.
    """

    dataset: str
    experiment: str
    method: str
    leaky: bool
    model: str
    parameters: int | None
    classes: tuple[str, ...]
    scores: dict[tuple[str, str], float | None]
    iou: dict[tuple[str, str], float | None]
    pixels: dict[str, int]

    @property
    def split_name(self) -> str:
        """How the tiles were split, with a warning where that flatters."""
        return f"{self.method} (leaky)" if self.leaky else self.method

    @property
    def miou(self) -> float | None:
        """Mean IoU on the test."""
        return self.scores.get(("test", "miou"))


def read_rows(paths: Iterable[str | os.PathLike[str]]) -> list[Row]:
    """Read `.../<dataset>/<experiment>/metrics.json` files.

    Returns:
        One row a file, by dataset, and within it from the best test mIoU to the worst.

    Raises:
        InputError: When a file is absent or is no such file, or when there is none at all.
    """
    rows = [_row(Path(path)) for path in paths]
    if not rows:
        raise InputError("comparison", "there is nothing to compare", "Name metrics.json files.")

    def order(row: Row) -> tuple[str, float, str]:
        return row.dataset, -row.miou if row.miou is not None else 1.0, row.experiment

    return sorted(rows, key=order)


def _row(path: Path) -> Row:
    remedy = "Delete it, if it is there, and run snakemake again."
    try:
        metrics: dict[str, Any] = json.loads(path.read_text())
        classes = tuple(metrics["classes"])
        scores: dict[tuple[str, str], float | None] = {}
        iou: dict[tuple[str, str], float | None] = {}
        pixels: dict[str, int] = {}
        for split, values in metrics["splits"].items():
            pixels[split] = values["pixels"]
            scores |= {(split, key): values[key] for key, *_ in MEASURES}
            named = zip(classes, values["class"]["iou"], strict=True)
            iou |= {(split, name): value for name, value in named}
        return Row(
            dataset=path.parent.parent.name,
            experiment=path.parent.name,
            method=metrics["split"]["method"],
            leaky=metrics["split"]["leaky"],
            model=metrics["model"].get("name", "unknown"),
            parameters=metrics["model"].get("parameters"),
            classes=classes,
            scores=scores,
            iou=iou,
            pixels=pixels,
        )
    except OSError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(path, f"these are no metrics of maps ({error!r})", remedy) from error


def by_classes(rows: Sequence[Row]) -> list[list[Row]]:
    """Return rows in groups of the same classes, in order of first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.classes, []).append(row)
    return list(groups.values())


def short_parameters(count: int | None) -> str:
    """Return a number of parameters as people say it: 3.8 M, 25 k; a dash for none."""
    if count is None:
        return "–"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {unit}"
    return str(count)
