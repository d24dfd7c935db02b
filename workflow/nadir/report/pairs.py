"""Is one experiment better than another on the same ground? Their blocks, compared in pairs."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nadir.config.quality import RESAMPLES
from nadir.errors import InputError
from nadir.segmentation.confusion import iou, macro_mean
from nadir.segmentation.map_quality import BLOCK_COLUMNS, drawn_blocks, matrices_of
from nadir.segmentation.paired import Difference, paired_differences

log = logging.getLogger(__name__)

LEVEL = 0.05
"""A difference is shown where the corrected p is less."""
SWAPS_A_PAIR = 200
"""Swaps for each pair that p is corrected for: the least p that can come out, times their number,
is a tenth of `LEVEL`."""
MOST_SWAPS = 2**17
"""Most swaps: beyond 655 pairs the least p grows again, and of 6554 none can be shown."""

_Judged = tuple[pd.DataFrame, NDArray[np.int64]]
"""Squares (scene, y, x, size, block) and their confusions (B, K, K)."""


@dataclass(frozen=True)
class Pair:
    """Two experiments on one data set, the better one first.

    Seeds of an experiment count as one: its name is that of them all.

    Attributes:
        dataset: Name of the data set.
        better: Name of the experiment with the greater mean IoU.
        worse: Name of the other.
        miou: Difference of mean IoU.
        accuracy: Difference of accuracy.
        p: p-value of the difference of mean IoU, corrected for all pairs of the data set (Holm
            1979).
        block_p: The same of blocks alone, as if any seed would give the same.
        least: The least `p` that could have come out, however clear the differences.
        pairs: Number of pairs of the data set.
    """

    dataset: str
    better: str
    worse: str
    miou: Difference
    accuracy: Difference
    p: float
    block_p: float
    least: float
    pairs: int

    @property
    def shown(self) -> bool:
        """Whether the one is better than the other, beyond luck."""
        return self.p < LEVEL

    @property
    def limit(self) -> str:
        """What keeps the pair from being told apart, in words; empty where nothing but p does."""
        if self.shown:
            return ""
        if self.few_blocks:
            of = f"{self.pairs} pairs need" if self.pairs > 1 else "a pair needs"
            return f"too few blocks: {self.miou.blocks}, and {of} {self.needed}"
        if self.least >= LEVEL:
            return f"too few swaps for {self.pairs} pairs: compare fewer experiments"
        if self.block_p < LEVEL:
            return (
                f"too few seeds: {' and '.join(map(str, self.miou.seeds))}, which differ too much"
            )
        return ""

    @property
    def few_blocks(self) -> bool:
        """Whether so few blocks can show nothing, however clear the difference."""
        return self.least >= LEVEL and 2.0 ** (1 - self.miou.blocks) >= self.miou.least

    @property
    def needed(self) -> int:
        """Blocks with which a clear difference can be shown, whatever other pairs say."""
        return next(n for n in itertools.count(1) if self.pairs * 2.0 ** (1 - n) < LEVEL)


def read_pairs(
    paths: Iterable[str | os.PathLike[str]],
    resamples: int = RESAMPLES,
    seeds: Mapping[str, Sequence[str]] | None = None,
) -> list[Pair]:
    """Compare all experiments of each data set in pairs.

    Args:
        paths: Tables of blocks, `.../<dataset>/<experiment>/blocks.parquet`. Only squares that two
            experiments have in common are compared; of a pair without any, a warning says so.
            Drawn are blocks of the split, where it has some (`map_quality.draw_numbers`).
        resamples: How often blocks are drawn. Swaps are as many at least, and more the more pairs
            there are.
        seeds: Name -> experiments that differ by their seed alone. They are compared as one, and
            not with each other.

    Raises:
        InputError: When a file is absent or is no such table.
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for path in map(Path, paths):
        tables.setdefault(path.parents[1].name, {})[path.parent.name] = _read(path)
    repeats = {own: name for name, members in (seeds or {}).items() for own in members}
    return [
        pair
        for name in sorted(tables)
        for pair in _dataset_pairs(name, _grouped(tables[name], repeats), resamples)
    ]


def _grouped(
    tables: dict[str, pd.DataFrame], repeats: Mapping[str, str]
) -> dict[str, list[_Judged]]:
    """Return name -> what each of its seeds was judged on, with confusions of one size."""
    ids = [table[["truth", "predicted"]].to_numpy().max(initial=0) for table in tables.values()]
    classes = int(max(ids, default=0))
    found: dict[str, list[_Judged]] = {}
    for name in sorted(tables):
        found.setdefault(repeats.get(name, name), []).append(matrices_of(tables[name], classes))
    return found


def _read(path: Path) -> pd.DataFrame:
    remedy = "Delete it, if it is there, and run snakemake again."
    try:
        table = pd.read_parquet(path)
    except FileNotFoundError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except (ValueError, OSError) as error:
        raise InputError(path, f"this is no table of blocks ({error})", remedy) from error
    if list(table.columns) != list(BLOCK_COLUMNS):
        raise InputError(path, "this is no table of blocks", remedy)
    return table


def _dataset_pairs(dataset: str, found: dict[str, list[_Judged]], resamples: int) -> list[Pair]:
    scores = {
        name: np.mean([macro_mean(iou(matrices.sum(axis=0))) for _, matrices in judged])
        for name, judged in found.items()
    }
    order = sorted(found, key=lambda name: -scores[name])
    grounds: list[pd.DataFrame] = []
    pairs: list[tuple[str, str, int]] = []
    for one, other in itertools.combinations(order, 2):
        both = _common([places for places, _ in (*found[one], *found[other])])
        if both.empty:
            log.warning(
                "%s and %s cannot be compared: they were judged on different squares of %s. Give "
                "them the same evaluate.quality.block",
                *(one, other, dataset),
            )
            continue
        ground = next((n for n, known in enumerate(grounds) if known.equals(both)), len(grounds))
        if ground == len(grounds):
            grounds.append(both)
        pairs.append((one, other, ground))
    used = {(name, ground) for *names, ground in pairs for name in names}
    drawn = {(name, ground): _on(grounds[ground], found[name]) for name, ground in sorted(used)}
    swaps = max(resamples, min(SWAPS_A_PAIR * len(pairs), MOST_SWAPS))
    compared = [
        paired_differences(drawn[one, ground], drawn[other, ground], resamples, swaps)
        for one, other, ground in pairs
    ]
    mious = [difference["miou"] for difference in compared]
    corrected, by_blocks, least = (
        holm([getattr(difference, name) for difference in mious])
        for name in ("p", "block_p", "least")
    )
    return [
        Pair(
            *(dataset, one, other, difference["miou"], difference["accuracy"]),
            *(corrected[n], by_blocks[n], least[n], len(compared)),
        )
        for n, ((one, other, _), difference) in enumerate(zip(pairs, compared, strict=True))
    ]


def _common(grounds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the squares that all have; nearly always all have the same."""
    first = grounds[0]
    return first if all(map(first.equals, grounds[1:])) else reduce(pd.merge, grounds)


def _on(both: pd.DataFrame, judged: list[_Judged]) -> NDArray[np.int64]:
    """Return the confusions of drawn blocks on common squares, (seeds, B, K, K)."""
    index = pd.MultiIndex.from_frame(both)
    rows = [pd.MultiIndex.from_frame(places).get_indexer(index) for places, _ in judged]
    return np.stack(
        [drawn_blocks(both, matrices[row]) for row, (_, matrices) in zip(rows, judged, strict=True)]
    )


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, so that the chance of any false one stays."""
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    highest = 0.0
    for rank, place in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = highest
    return corrected.tolist()
