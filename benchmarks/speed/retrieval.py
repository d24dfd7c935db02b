"""Scores of a ranking, beside a loop over queries as in the public evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task

_WAYS = ("drone to satellite", "satellite to drone")


def row(device: str) -> Row:
    """Return the row."""
    contestants, claims = [], []
    for number, way in enumerate(_WAYS):
        ours, theirs = f"nadir, {way}", f"loop over queries, {way}"
        contestants += [
            Contestant(ours, partial(_nadir, number), ours=True),
            Contestant(theirs, partial(_loop, number), times=1, warm=False),
        ]
        claims.append(Claim(ours, theirs, "faster", 20))
    return Row(
        "retrieval",
        "retrieval: scores of features as many as University-1652's, both ways",
        contestants,
        claims,
        None,
        compare,
    )


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that the figures are equal, but for ties, which the loop's sort decides by chance."""
    told = {}
    for way in _WAYS:
        names = [name for name in given if name.endswith(way)]
        if len(names) == 2:
            ours, theirs = (given[name]["value"] for name in names)
            largest = float(np.abs(ours - theirs).max())
            assert largest < 2e-3, f"{way}: figures differ by {largest}"
            told[names[1]] = f"figures differ by {largest:.1g} at most (ties)"
    return told


def _sides(number: int, case: Case) -> Any:
    from dataclasses import replace

    from retrieving.evaluator import CASES, sides

    full = CASES[number]
    counts = {name: case.count(getattr(full, name), 40) for name in ("queries", "gallery")}
    fewer = {name: case.count(getattr(full, name), 10) for name in ("places", "distractors")}
    return sides(replace(full, **counts, **fewer), seed=0)


def _nadir(number: int, case: Case) -> Task:
    import torch

    from nadir.retrieval.evaluate import Intervals, evaluate
    from nadir.retrieval.measures import PUBLIC

    torch.set_num_threads(case.threads)
    queries, gallery = _sides(number, case)

    def work() -> np.ndarray:
        found = evaluate(queries, gallery, intervals=Intervals(resamples=0))
        return np.array([found.figures["public"][name]["value"] for name in PUBLIC])

    return Task(work)


def _loop(number: int, case: Case) -> Task:
    import torch
    from retrieving.evaluator import loop

    from nadir.retrieval.measures import PUBLIC

    torch.set_num_threads(case.threads)
    queries, gallery = _sides(number, case)

    def work() -> np.ndarray:
        figures, _ = loop(queries, gallery)
        return np.array([figures[name] for name in PUBLIC])

    return Task(work)
