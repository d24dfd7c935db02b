"""Positions of matches: against sorting, with ties, many matches, absent places."""

from __future__ import annotations

import numpy as np
import pytest
from public_form import rank_by_sorting

from nadir.retrieval.ranks import Truth, rank_matches


def positions_by_sorting(scores: np.ndarray, match: np.ndarray) -> list[list[int]]:
    return [
        np.flatnonzero(right[rank_by_sorting(line)]).tolist()
        for line, right in zip(scores, match, strict=True)
    ]


@pytest.mark.parametrize("levels", [None, 40, 4, 1])
@pytest.mark.parametrize("places", [1, 7, 60])
def test_positions_are_those_of_a_stable_sort(levels: int | None, places: int) -> None:
    random = np.random.default_rng([places, levels or 0])
    scores = random.standard_normal((50, 120)).astype(np.float32)
    if levels:
        scores = np.round(scores * levels / 4).astype(np.float32)
    queries, gallery = random.integers(0, places + 3, 50), random.integers(0, places, 120)
    truth = Truth.of(queries, gallery)
    found = rank_matches([(slice(0, 17), scores[:17]), (slice(17, 50), scores[17:])], truth)
    wanted = positions_by_sorting(scores, queries[:, None] == gallery[None])
    assert len(found) == 50 and found.images == found.gallery == 120
    assert [
        found.positions[a:b].tolist()
        for a, b in zip(found.starts[:-1], found.starts[1:], strict=True)
    ] == wanted
    assert found.matches.tolist() == [len(row) for row in wanted]
    assert found.first.tolist() == [row[0] if row else -1 for row in wanted]
    assert found.query.tolist() == [k for k, row in enumerate(wanted) for _ in row]
    assert found.ordinal.tolist() == [k for row in wanted for k in range(len(row))]


def test_a_single_match_counts_ties_before_it_only() -> None:
    scores = np.array([[1, 2, 1, 1, 0]], np.float32)
    for place, position in enumerate([1, 0, 2, 3, 4]):
        assert rank_matches([(slice(0, 1), scores)], Truth.of([place], range(5))).positions == [
            position
        ]


def test_places_may_be_texts() -> None:
    truth = Truth.of(["b", "x", "a"], ["a", "b", "a"])
    found = rank_matches([(slice(0, 3), np.array([[3, 2, 1]] * 3, np.float32))], truth)
    assert found.first.tolist() == [1, -1, 0]
    assert found.positions.tolist() == [1, 0, 2]
