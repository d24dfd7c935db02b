"""The evaluator beside a loop over queries, on random features of University-1652's true sizes.

The loop is the plain form of what the public evaluator does: one matrix-vector product, one full
sort and two membership tests a query, in torch and NumPy. Features are rounded so that dot products
have no rounding errors: both sides then rank the very same scores, and have to agree to the last
digit, except where a match ties with another image, which the loop's sort decides by chance.

Both sides may use as many threads as OMP_NUM_THREADS says, by default all cores: the loop has
little use for them, while nearly all of nadir's time is one large product.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from nadir.provenance.atomic import write_text
from nadir.retrieval.evaluate import Images, Intervals, evaluate
from nadir.retrieval.measures import DEPTHS, PUBLIC, PUBLIC_AP, TOP_PERCENT

DIMENSIONS = 512
EXACT = 4096  # products of multiples of 1 / 4096 with sums below 1 are exact in float32


@dataclass(frozen=True)
class Case:
    """One direction of University-1652: images and places on both sides."""

    name: str
    queries: int
    gallery: int
    places: int = 701
    distractors: int = 250


CASES = (
    Case("drone -> satellite", 37_855, 951),
    Case("satellite -> drone", 701, 51_355),
)


def features(random: np.random.Generator, images: int) -> np.ndarray:
    """Return random unit vectors whose dot products are exact in float32."""
    drawn = random.standard_normal((images, DIMENSIONS), dtype=np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.trunc(drawn * EXACT) / np.float32(EXACT)


def sides(case: Case, seed: int) -> tuple[Images, Images]:
    """Return queries and gallery; every place is on both sides, distractors in the gallery only."""
    random = np.random.default_rng([seed, case.queries])
    asked = np.arange(case.queries) % case.places
    kept = np.arange(case.gallery) % (case.places + case.distractors)
    return (
        Images(features(random, case.queries), random.permutation(asked)),
        Images(features(random, case.gallery), random.permutation(kept)),
    )


def loop(queries: Images, gallery: Images) -> tuple[dict[str, float], np.ndarray]:
    """Return the public figures, and the average precision of each query, query by query."""
    wanted, kept = torch.from_numpy(queries.features), torch.from_numpy(gallery.features)
    labels = np.asarray(gallery.places)
    curve = torch.zeros(len(labels), dtype=torch.int32)
    precision = np.zeros(len(wanted))
    places = np.asarray(queries.places)
    for k in range(len(wanted)):
        feature, place = wanted[k], places[k]
        scores = torch.mm(kept, feature.view(-1, 1)).squeeze(1).numpy()
        order = np.argsort(scores)[::-1]
        good, junk = np.argwhere(labels == place), np.argwhere(labels == -1)
        if not good.size:
            continue
        order = order[np.isin(order, junk, invert=True)]
        hits = np.argwhere(np.isin(order, good)).flatten()
        one = torch.zeros(len(labels), dtype=torch.int32)
        one[hits[0] :] = 1
        if one[0] == -1:  # its mark of a query without a match
            continue
        curve = curve + one
        for i, hit in enumerate(hits):
            left = i / hit if hit else 1.0
            precision[k] += (left + (i + 1) / (hit + 1)) / 2 / len(good)
    shares = (curve.double() / len(wanted)).numpy()
    told = {f"Recall@{depth}": float(shares[depth - 1]) for depth in DEPTHS}
    told[TOP_PERCENT] = float(shares[round(len(labels) * 0.01)])
    return told | {PUBLIC_AP: float(precision.sum() / len(wanted))}, precision


def tied_queries(queries: Images, gallery: Images) -> np.ndarray:
    """Return which queries have a match whose score another image has, too."""
    places = np.asarray(gallery.places)
    found = np.zeros(len(queries), bool)
    for k, (feature, place) in enumerate(
        zip(queries.features, np.asarray(queries.places), strict=True)
    ):
        scores = gallery.features @ feature
        matches = places == place
        found[k] = np.isin(scores[matches], scores[~matches]).any()
    return found


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds on the clock, and CPU seconds of all threads."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} ({self.cpu:.2f})"


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, Cost]:
    """Return a result, and the least costs of some runs."""
    result, costs = None, []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        costs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return result, Cost(*np.min(costs, axis=0))


def run(out: Path, seed: int, repeats: int) -> None:
    """Measure both directions, check that they agree, print and write the table."""
    rows = []
    small = sides(Case("compile", 20, 30, 10, 2), seed)
    evaluate(*small)
    for case in CASES:
        queries, gallery = sides(case, seed)
        plain, full = Intervals(resamples=0), Intervals(seed=seed)
        found, ours = timed(lambda: evaluate(queries, gallery, intervals=plain), repeats)  # noqa: B023
        _, drawn = timed(lambda: evaluate(queries, gallery, intervals=full), 1)  # noqa: B023
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        (figures, precision), theirs = timed(lambda: loop(queries, gallery), repeats)  # noqa: B023
        differ = precision != found.queries[PUBLIC_AP].to_numpy()
        differ &= ~np.isclose(precision, found.queries[PUBLIC_AP], rtol=1e-12, atol=0)
        rows.append(
            {
                "direction": case.name,
                "queries x gallery": f"{case.queries} x {case.gallery}",
                "loop, s (CPU s)": str(theirs),
                "nadir, s (CPU s)": str(ours),
                "with 1000 resamples": str(drawn),
                "threads": torch.get_num_threads(),
                "times faster": round(theirs.wall / ours.wall, 1),
                "times less CPU": round(theirs.cpu / ours.cpu, 1),
                "peak MiB": round(peak),
                "largest difference": max(
                    abs(figures[name] - found.figures["public"][name]["value"]) for name in PUBLIC
                ),
                "queries that differ": int(differ.sum()),
                "of them tied": int((differ & tied_queries(queries, gallery)).sum()),
                **{name: round(100 * figures[name], 2) for name in PUBLIC},
            }
        )
    table = pd.DataFrame(rows)
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / "evaluator.csv", table.to_csv(index=False, float_format="%.6g"))
    print(table.T.to_string(header=False))
