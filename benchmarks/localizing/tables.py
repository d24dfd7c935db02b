"""Tables of a benchmark: one row a photo, and summaries with intervals, as CSV and Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from nadir.localization.bootstrap import intervals, quantile, wilson
from nadir.provenance.atomic import write_text


@dataclass(frozen=True)
class Figure:
    """A figure and its 95 % interval.

    Attributes:
        value: The figure; NaN where there is none.
        low: Lower end of the interval.
        high: Its upper end.
        digits: Decimals that are shown.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    digits: int = 2

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "–"
        value = f"{self.value:.{self.digits}f}"
        if not math.isfinite(self.low):
            return value
        return f"{value} ({self.low:.{self.digits}f}–{self.high:.{self.digits}f})"


def share(successes: ArrayLike) -> Figure:
    """Return the share of successes in percent, with Wilson's interval."""
    right = np.asarray(successes, bool)
    low, high = wilson(int(right.sum()), len(right))
    value = 100 * float(right.mean()) if len(right) else math.nan
    return Figure(value, 100 * low, 100 * high, 1)


def median(values: ArrayLike, digits: int = 2, seed: int = 0) -> Figure:
    """Return the median with a bootstrap interval over photos."""
    numbers = np.asarray(values, float)
    if not len(numbers):
        return Figure(math.nan)
    low, high = intervals({"median": (numbers, quantile(0.5))}, seed)["median"]
    return Figure(float(np.median(numbers)), low, high, digits)


def average(values: ArrayLike, digits: int = 2) -> Figure:
    """Return a mean without interval: costs, not errors."""
    numbers = np.asarray(values, float)
    return Figure(float(numbers.mean()) if len(numbers) else math.nan, digits=digits)


def worst(values: ArrayLike, digits: int = 2) -> Figure:
    """Return the largest value."""
    numbers = np.asarray(values, float)
    return Figure(float(numbers.max()) if len(numbers) else math.nan, digits=digits)


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table, with columns as wide as their texts."""
    if not rows:
        return "no rows\n"
    names = list(rows[0])
    cells = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    padded = [
        [text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in cells
    ]
    lines = [f"| {' | '.join(line)} |" for line in padded]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"


def flat(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows with each figure as three columns: NAME, NAME low, NAME high."""
    spread = []
    for row in rows:
        one: dict[str, Any] = {}
        for name, value in row.items():
            if isinstance(value, Figure):
                one |= {name: value.value, f"{name} low": value.low, f"{name} high": value.high}
            else:
                one[name] = value
        spread.append(one)
    return pd.DataFrame(spread)


def report(
    out: Path, name: str, rows: Sequence[Mapping[str, Any]], trials: pd.DataFrame | None = None
) -> None:
    """Print a summary, and write it as `NAME.csv` and `NAME.md`.

    Args:
        out: Folder of the results.
        name: Name of the table.
        rows: Rows of the summary; `Figure`s get their intervals.
        trials: One row a photo, written as `NAME_photos.csv`.
    """
    out.mkdir(parents=True, exist_ok=True)
    text = markdown(rows)
    write_text(out / f"{name}.md", text)
    write_text(out / f"{name}.csv", flat(rows).to_csv(index=False, float_format="%.6g"))
    if trials is not None:
        write_text(out / f"{name}_photos.csv", trials.to_csv(index=False, float_format="%.6g"))
    print(text)
