"""Scores of answers: the challenge's formula, corrected and as published, and errors on the ground.

The challenge scores a photo by the centers and the angles of its JSON files. A center is
int((left_top + right_bottom) / 2), cut off to whole pixels; the other two corners do not count.
The formula was published as `1 - 0.7 * (|dx| / W + |dy| / H) / 2 + 0.3 * |da| / 359`: for want of
parentheses a wrong angle *raises* the score, beyond 1 even, and 359 degrees against 1 count as
358. Under it the middle of the substrate at 0 degrees, for every photo, gets 0.992 in the case of
the challenge (photos of 1024 pixels anywhere on 10496 x 10496). Corrected, the angle is subtracted
and taken the short way round; that constant answer then gets 0.767.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nadir.localization.bootstrap import RESAMPLES, Statistic, intervals, mean, quantile, wilson
from nadir.localization.casefile import Case
from nadir.localization.conventions import Conventions
from nadir.localization.georeference import ground_distance
from nadir.localization.guesses import constant_answers, random_answers
from nadir.localization.photos import poses_of, sizes_of
from nadir.localization.pose import CORNERS, DEGREES, PIXELS, Pose, angle_difference
from nadir.localization.poses import aligned


def score(
    dx: ArrayLike, dy: ArrayLike, da: ArrayLike, width: int, height: int
) -> NDArray[np.float64]:
    """Return the corrected score: 1 is right, and everything wrong is subtracted.

    Args:
        dx: Differences of centers, in pixels.
        dy: The same, downwards.
        da: Differences of angles in degrees, of any sign and size.
        width: Columns of the substrate.
        height: Rows of the substrate.
    """
    place, zero = _place(dx, dy, width, height), np.zeros(1)
    return 1.0 - (0.7 * place + 0.3 * angle_difference(np.asarray(da, float), zero) / 359.0)


def score_as_published(
    dx: ArrayLike, dy: ArrayLike, da: ArrayLike, width: int, height: int
) -> NDArray[np.float64]:
    """Return the score as its script computes it, faults included; arguments as for `score`."""
    return 1.0 - 0.7 * _place(dx, dy, width, height) + 0.3 * np.abs(np.asarray(da, float)) / 359.0


def _place(dx: ArrayLike, dy: ArrayLike, width: int, height: int) -> NDArray[np.float64]:
    return (np.abs(np.asarray(dx, float)) / width + np.abs(np.asarray(dy, float)) / height) / 2.0


def official(record: dict[str, Any]) -> tuple[int, int, int]:
    """Return center and angle of a JSON file as the challenge's script takes them."""
    left_top, right_bottom = (record[key] for key in (CORNERS[0], CORNERS[3]))
    x, y = (int((one + other) / 2) for one, other in zip(left_top, right_bottom, strict=True))
    return x, y, record["angle"]


@dataclass(frozen=True)
class Errors:
    """What is wrong with answers, photo by photo, float64 (n,) each.

    Attributes:
        score: Corrected score.
        published: Score as published.
        pixels: Distance of centers in pixels of the substrate.
        metres: The same on the ground; NaN without georeference.
        degrees: Difference of directions, 0 to 180.
        success: 1 where both are small enough, else 0.
        resolved: 1 where the method says that it is sure, else 0.
    """

    score: NDArray[np.float64]
    published: NDArray[np.float64]
    pixels: NDArray[np.float64]
    metres: NDArray[np.float64]
    degrees: NDArray[np.float64]
    success: NDArray[np.float64]
    resolved: NDArray[np.float64]


def compare(
    answers: pd.DataFrame,
    truth: pd.DataFrame,
    case: Case,
    pixels: float = PIXELS,
    degrees: float = DEGREES,
) -> Errors:
    """Compare answers with the truth, row by row.

    Scores are those of the JSON files that either would become; errors are those of the poses.

    Args:
        answers: Table of poses.
        truth: Photo table with the same photos in the same order, poses known.
        case: The case.
        pixels: Largest distance of a success.
        degrees: Largest difference of directions of a success.
    """
    sizes = sizes_of(truth)
    given, known = poses_of(answers), poses_of(truth)
    difference = _official_rows(given, sizes, case.conventions) - _official_rows(
        known, sizes, case.conventions
    )
    centers = [
        np.array([[one.x, one.y] for one in poses]).reshape(-1, 2) for poses in (given, known)
    ]
    distance = np.hypot(*(centers[0] - centers[1]).T)
    turned = angle_difference(answers["angle"].to_numpy(float), truth["angle"].to_numpy(float))
    dx, dy, da = difference.T
    return Errors(
        score=score(dx, dy, da, case.width, case.height),
        published=score_as_published(dx, dy, da, case.width, case.height),
        pixels=distance,
        metres=ground_distance(case.grid, *centers),
        degrees=turned,
        success=((distance <= pixels) & (turned <= degrees)).astype(float),
        resolved=answers["resolved"].to_numpy(float),
    )


def _official_rows(
    poses: list[Pose], sizes: list[tuple[int, int]], conventions: Conventions
) -> NDArray[np.float64]:
    """Return centers and angles (n, 3) of poses as the challenge's script would read them."""
    rows = [
        official(conventions.to_record(pose, *size))
        for pose, size in zip(poses, sizes, strict=True)
    ]
    return np.array(rows, float).reshape(-1, 3)


def summarize(errors: Errors, seed: int = 0, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Summarize errors, each figure with a 95 % bootstrap interval over photos.

    Shares also get Wilson's interval: where all photos succeed, a bootstrap has nothing to vary.

    Args:
        errors: The errors, of at least one photo.
        seed: Seed of the resamples.
        resamples: How many.

    Returns:
        `photos`, and name -> {value, low, high} (shares also `wilson`), None where there is none:
        `score`, `score_as_published`, median and 90 % quantile of errors, `success`, `coverage`
        (share of answers that are not flagged) and `precision` (successes among those).
    """
    sure = np.where(errors.resolved > 0, errors.success, np.nan)
    middle, most = quantile(0.5), quantile(0.9)
    columns: dict[str, tuple[NDArray[np.float64], Statistic]] = {
        "score": (errors.score, mean),
        "score_as_published": (errors.published, mean),
        "center_px_median": (errors.pixels, middle),
        "center_px_p90": (errors.pixels, most),
        "center_m_median": (errors.metres, middle),
        "center_m_p90": (errors.metres, most),
        "angle_deg_median": (errors.degrees, middle),
        "angle_deg_p90": (errors.degrees, most),
        "success": (errors.success, mean),
        "coverage": (errors.resolved, mean),
        "precision": (sure, mean),
    }
    bounds = intervals(columns, seed, resamples)
    summary: dict[str, Any] = {"photos": len(errors.score)}
    for name, (values, statistic) in columns.items():
        value = float(statistic(values))
        low, high = bounds[name]
        summary[name] = {"value": value, "low": low, "high": high} if np.isfinite(value) else None
        if summary[name] and name in ("success", "coverage", "precision"):
            there = values[np.isfinite(values)]
            summary[name]["wilson"] = list(wilson(int(there.sum()), len(there)))
    return summary


def evaluate_poses(
    poses: pd.DataFrame,
    photos: pd.DataFrame,
    case: Case,
    *,
    source: str = "poses",
    pixels: float = PIXELS,
    degrees: float = DEGREES,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, Any]:
    """Score answers, split by split, beside answers that look at no photo.

    Args:
        poses: Table of poses: every photo of the splits validation and test.
        photos: The photo table; photos whose pose is not known are not scored.
        case: The case.
        source: File of the poses, for messages.
        pixels: Largest distance of a success.
        degrees: Largest difference of directions of a success.
        seed: Seed of resamples and of the random answers.
        resamples: How many resamples.

    Returns:
        `success_within` (pixels, degrees), `substrate` (width, height), and `splits`: name ->
        `answers`, and the floors `constant` and `random`, as `summarize` gives them. A split
        without known poses is left out.

    Raises:
        InputError: When photos have no answer, or answers no photo.
    """
    answers = {
        "answers": aligned(poses, photos, source),
        "constant": constant_answers(case, photos),
        "random": random_answers(case, photos, seed),
    }
    splits: dict[str, Any] = {}
    for split in ("validation", "test"):
        truth = photos[(photos["split"] == split) & photos["x"].notna()]
        if truth.empty:
            continue
        splits[split] = {}
        for name, table in answers.items():
            rows = table.set_index("photo").loc[truth["photo"].tolist()].reset_index()
            errors = compare(rows, truth, case, pixels, degrees)
            splits[split][name] = summarize(errors, seed, resamples)
    return {
        "success_within": {"pixels": pixels, "degrees": degrees},
        "substrate": {"width": case.width, "height": case.height},
        "interval": {"level": 0.95, "resamples": resamples, "seed": seed},
        "splits": splits,
    }
