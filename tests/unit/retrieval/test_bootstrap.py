"""Intervals: against plain resampling, and their coverage of a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.retrieval import bootstrap
from nadir.retrieval.bootstrap import resample_intervals

VALUES = np.random.default_rng(0).gamma(2, 3, (41, 2))
VALUES[[3, 8], 1] = np.nan


def by_hand(units: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    labels = np.unique(units)
    rows = []
    for index in range(resamples):
        random = np.random.default_rng([seed, bootstrap._TAG, index])
        drawn = random.integers(0, len(labels), len(labels))
        picked = VALUES[np.concatenate([np.flatnonzero(units == labels[k]) for k in drawn])]
        rows.append([*np.nanmean(picked, axis=0), np.nanmedian(picked[:, 1])])
    return np.quantile(rows, [0.025, 0.975], axis=0).T


@pytest.mark.parametrize("units", [None, np.arange(41) // 4])
@pytest.mark.parametrize("held", [bootstrap._VALUES, 41 * 7])
def test_intervals_are_those_of_plain_resampling(units, held, monkeypatch) -> None:
    monkeypatch.setattr(bootstrap, "_VALUES", held)
    found = resample_intervals(VALUES, VALUES[:, 1], units, seed=5, resamples=60)
    np.testing.assert_allclose(found, by_hand(np.arange(41) if units is None else units, 5, 60))


def test_an_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(2)
    inside = 0
    for trial in range(150):
        sample = random.random((60, 1)) < 0.4
        low, high = resample_intervals(
            sample.astype(float), np.full(60, np.nan), seed=trial, resamples=200
        )[0]
        inside += low <= 0.4 <= high
    assert 0.88 <= inside / 150 <= 0.99


@pytest.mark.parametrize(("queries", "resamples"), [(0, 10), (5, 0)])
def test_no_intervals_without_queries_or_resamples(queries: int, resamples: int) -> None:
    means = np.ones((queries, 1))
    found = resample_intervals(means, means[:, 0], seed=0, resamples=resamples)
    assert found.shape == (2, 2) and np.isnan(found).all()
