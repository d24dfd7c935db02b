"""Localization experiments on one dataset side by side: table, pictures and a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nadir.localization.casefile import Case
from nadir.localization.figures_curves import draw_error_curves
from nadir.localization.guesses import constant_answers, random_answers
from nadir.localization.outcomes import outcomes_of
from nadir.localization.pose import DEGREES, PIXELS
from nadir.localization.poses import aligned, read_poses
from nadir.provenance.atomic import write_text
from nadir.report.pose_figure import draw_pose_comparison
from nadir.report.pose_page import pose_page
from nadir.report.pose_scores import (
    MEASURES,
    SPLITS,
    PoseRow,
    read_pose_rows,
    shown_split,
)


@dataclass(frozen=True)
class PoseComparison:
    """Where a comparison goes.

    Attributes:
        page: The HTML page.
        table: The CSV.
        figure: Scores with intervals, PNG.
        curves: Cumulative errors, PNG.
    """

    page: Path
    table: Path
    figure: Path
    curves: Path


def compare_poses(
    metrics: Sequence[Path],
    poses: Sequence[Path],
    photos: pd.DataFrame,
    case: Case,
    outputs: PoseComparison,
    *,
    within: tuple[float, float] = (PIXELS, DEGREES),
    seed: int = 0,
) -> None:
    """Compare experiments by their `metrics.json` and `poses.parquet` files.

    Experiments are named by the folders that hold the files. Equal inputs give equal bytes.

    Args:
        metrics: The scores.
        poses: The answers.
        photos: The photo table.
        case: The case.
        outputs: What to write.
        within: Largest errors of a success, in pixels and degrees.
        seed: Seed of the random floor.

    Raises:
        InputError: When a file is absent or is no such file, or there is nothing to compare.
        OutputError: When the disk is full or not writable.
    """
    rows = read_pose_rows(metrics)
    split = shown_split(rows)
    tables = {path.parent.name: aligned(read_poses(path), photos, path) for path in poses}
    tables["constant (floor)"] = constant_answers(case, photos)
    tables["random (floor)"] = random_answers(case, photos, seed)
    errors = {
        row.label: _errors(tables[row.label], photos, split) for row in rows if row.label in tables
    }
    floors = [row.label for row in rows if row.floor]
    title = metrics[0].absolute().parents[1].name.replace("_", " ")
    write_text(outputs.table, pose_csv(rows))
    draw_pose_comparison(rows, outputs.figure, title)
    heading = f"{title}, {split}" if split else title
    draw_error_curves(errors, outputs.curves, floors=floors, right_px=within[0], title=heading)
    write_text(outputs.page, pose_page(rows, outputs.curves.read_bytes(), within, title))


def _errors(poses: pd.DataFrame, photos: pd.DataFrame, split: str | None) -> NDArray[np.float64]:
    """Return the errors of centers in a split, in pixels, where positions are known."""
    found = outcomes_of(photos, poses)
    found = found[(found["split"] == split) & found["center"].notna()]
    return found["center"].to_numpy(float)


def pose_csv(rows: Sequence[PoseRow]) -> str:
    """Return the CSV of a comparison: one line an experiment, then the floors."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = ("", " low", " high")
    names = [f"{split} {one.name}{end}" for split in SPLITS for one in MEASURES for end in ends]
    writer.writerow(["experiment", "floor", *(f"{split} photos" for split in SPLITS), *names])
    for row in rows:
        cells: list[str] = []
        for split in SPLITS:
            for measure in MEASURES:
                found = row.values.get((split, measure.key))
                cells += [f"{number:.6f}" for number in found] if found else [""] * 3
        counts = [row.photos.get(split, "") for split in SPLITS]
        writer.writerow([row.name, "yes" if row.floor else "no", *counts, *cells])
    return text.getvalue()
