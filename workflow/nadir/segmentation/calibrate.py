"""Fitting a calibration on validation ground, and judging one on other ground."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.config.quality import CalibrationConfig
from nadir.segmentation.calibration import Calibration
from nadir.segmentation.conformal import members, true_scores
from nadir.segmentation.held_out import Sample
from nadir.segmentation.reliability import fit_temperature, probability_scores, tempered
from nadir.segmentation.thresholds import ALL, thresholds

log = logging.getLogger(__name__)

LEAST_PIXELS = 2000
"""Least pixels that a temperature of their own is fitted to."""


def fit_calibration(sample: Sample, cfg: CalibrationConfig, side: int) -> dict[str, Any]:
    """Fit temperatures and thresholds of class sets.

    Both come from the same pixels; so few parameters spoil the promise of the sets by less than its
    third digit.

    Args:
        sample: Labelled pixels of the validation ground.
        cfg: What to fit.
        side: Side of the sample's blocks, in pixels.

    Returns:
        Content of `calibration.json`: `temperatures` (by number of valid dates, from 0),
        `pixels`, scores `before` and `after` (`reliability.probability_scores`), and
        `conformal`: `method`, `coverage`,
        `exchangeable`, `level`, `at_least_one`, `threshold`, `thresholds` (coverage -> threshold),
        `blocks`, `block` (their side), `draws` (blocks of the split that they lie in) and
        `unbounded` (whether there were too few blocks, so that sets hold every class).
    """
    temperatures = fit_temperatures(sample)
    after = tempered(sample.probabilities, np.array(temperatures)[sample.dates])
    conformal = cfg.conformal
    scores = true_scores(after, sample.truth, conformal.method, sample.draws)
    found = thresholds(scores, sample.block, sample.draw, conformal)
    threshold = found[f"{conformal.coverage:g}"]
    if threshold >= ALL:
        log.warning(
            "%d blocks are too few to promise %g: sets hold every class. Give the validation more "
            "ground, make predict.calibration.conformal.block smaller, or promise less",
            sample.blocks,
            conformal.coverage,
        )
    facts: dict[str, Any] = {
        "temperatures": temperatures,
        "pixels": len(sample.truth),
        "before": probability_scores(sample.probabilities, sample.truth, cfg.bins),
        "after": probability_scores(after, sample.truth, cfg.bins),
        "conformal": {
            **conformal.model_dump(mode="json"),
            "threshold": threshold,
            "thresholds": found,
            "blocks": sample.blocks,
            "block": side,
            "draws": len(np.unique(sample.draw)),
            "unbounded": threshold >= ALL,
        },
    }
    log.info(
        "temperature %s; ECE %.4f -> %.4f over %d pixels",
        ", ".join(f"{value:.3f}" for value in temperatures),
        facts["before"]["ece"],
        facts["after"]["ece"],
        facts["pixels"],
    )
    return facts


def fit_temperatures(sample: Sample) -> list[float]:
    """Return the temperature for each number of valid dates, from 0 to the most in the sample.

    A model that misses a date is unsure in another way than one that sees all. Numbers of dates
    with too few pixels take the temperature of all pixels together.
    """
    pooled = fit_temperature(sample.probabilities, sample.truth)
    found = []
    for count in range(int(sample.dates.max()) + 1):
        mine = sample.dates == count
        enough = LEAST_PIXELS <= mine.sum() < len(mine)
        found.append(
            fit_temperature(sample.probabilities[mine], sample.truth[mine]) if enough else pooled
        )
    return found


def judge_calibration(
    sample: Sample, calibration: Calibration, cfg: CalibrationConfig
) -> dict[str, Any]:
    """Judge a calibration on ground that it has not seen.

    Args:
        sample: Labelled pixels of the held-out ground.
        calibration: What was fitted elsewhere.
        cfg: Bins.

    Returns:
        Scores `before` and `after`, and `sets` (see `judge_sets`).
    """
    after = tempered(sample.probabilities, calibration.heat(sample.dates))
    return {
        "before": probability_scores(sample.probabilities, sample.truth, cfg.bins),
        "after": probability_scores(after, sample.truth, cfg.bins),
        "sets": judge_sets(sample, after, calibration),
    }


def judge_sets(
    sample: Sample, probabilities: NDArray[np.float64], calibration: Calibration
) -> dict[str, Any]:
    """Judge class sets.

    Returns:
        `promised`; `coverage` over pixels; `block_coverage`, the mean over blocks, with its
        standard error `block_error` over the blocks of the split that they were drawn with (None
        where there is but one); `worst_block`; `blocks` and `draws`, their numbers; `size` (mean),
        `sizes` (pixels by size from 0), `empty` (share) and `class_coverage` (by class, None where
        there is none).
    """
    inside = members(
        probabilities,
        calibration.threshold,
        calibration.method,
        sample.draws,
        calibration.at_least_one,
    )
    held = inside[np.arange(len(sample.truth)), sample.truth]
    size = inside.sum(axis=1)
    count = np.bincount(sample.block)
    by_block = np.bincount(sample.block, held)[count > 0] / count[count > 0]
    drawn = np.arange(len(count)) if sample.drawn is None else sample.drawn
    drawn = drawn[count > 0]
    classes = inside.shape[1]
    seen = np.bincount(sample.truth, minlength=classes)
    kept = np.bincount(sample.truth, held, classes)
    return {
        "promised": calibration.coverage,
        "coverage": float(held.mean()),
        "block_coverage": float(by_block.mean()),
        "block_error": clustered_error(by_block, drawn),
        "worst_block": float(by_block.min()),
        "blocks": len(by_block),
        "draws": len(np.unique(drawn)),
        "size": float(size.mean()),
        "sizes": np.bincount(size, minlength=classes + 1).tolist(),
        "empty": float((size == 0).mean()),
        "class_coverage": [
            float(hits / n) if n else None for hits, n in zip(kept, seen, strict=True)
        ],
    }


def clustered_error(values: NDArray[np.float64], drawn: NDArray[np.integer]) -> float | None:
    """Return the standard error of a mean of values that were drawn in clusters.

    That of the ratio of the clusters' sums to their sizes (Cochran 1977, 6.3); where each value is
    a cluster it is the textbook's.

    Args:
        values: (n,).
        drawn: (n,) number of each value's cluster.

    Returns:
        None for a single cluster, of which nothing can be said.
    """
    clusters, member = np.unique(drawn, return_inverse=True)
    count = len(clusters)
    if count < 2:
        return None
    off = np.bincount(member.reshape(-1), values - values.mean())
    return float(np.sqrt(count / (count - 1) * (off**2).sum()) / len(values))
