"""Is one experiment better than another on the same ground? Their blocks, compared in pairs."""

from __future__ import annotations

import csv
import io
import itertools
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd

from nadir.config.quality import RESAMPLES
from nadir.errors import InputError
from nadir.report.page import page, sortable_table
from nadir.segmentation.confusion import iou, macro_mean
from nadir.segmentation.map_quality import BLOCK_COLUMNS, drawn_blocks, matrices_of
from nadir.segmentation.paired import Difference, paired_differences

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """Two experiments on one data set, the better one first.

    Attributes:
        dataset: Name of the data set.
        better: Name of the experiment with the greater mean IoU.
        worse: Name of the other.
        miou: Difference of mean IoU.
        accuracy: Difference of accuracy.
        p: p-value of the difference of mean IoU, corrected for all pairs of the data set (Holm
            1979).
    """

    dataset: str
    better: str
    worse: str
    miou: Difference
    accuracy: Difference
    p: float


def read_pairs(paths: Iterable[str | os.PathLike[str]], resamples: int = RESAMPLES) -> list[Pair]:
    """Compare all experiments of each data set in pairs.

    Args:
        paths: Tables of blocks, `.../<dataset>/<experiment>/blocks.parquet`. Only squares that two
            experiments have in common are compared; of a pair without any, a warning says so.
            Drawn are blocks of the split, where it has some (`map_quality.draw_numbers`).
        resamples: How often blocks are drawn.

    Raises:
        InputError: When a file is absent or is no such table.
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for path in map(Path, paths):
        tables.setdefault(path.parents[1].name, {})[path.parent.name] = _read(path)
    return [
        pair for name in sorted(tables) for pair in _dataset_pairs(name, tables[name], resamples)
    ]


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


def _dataset_pairs(dataset: str, tables: dict[str, pd.DataFrame], resamples: int) -> list[Pair]:
    ids = [table[["truth", "predicted"]].to_numpy().max(initial=0) for table in tables.values()]
    classes = int(max(ids, default=0))
    blocks = {name: matrices_of(table, classes) for name, table in tables.items()}
    order = sorted(blocks, key=lambda name: -macro_mean(iou(blocks[name][1].sum(axis=0))))
    found: list[tuple[str, str, dict[str, Difference]]] = []
    for one, other in itertools.combinations(order, 2):
        (places, mine), (others, its) = blocks[one], blocks[other]
        both = places.merge(others, how="inner")
        if both.empty:
            log.warning(
                "%s and %s cannot be compared: they were judged on different squares of %s. Give "
                "them the same evaluate.quality.block",
                *(one, other, dataset),
            )
            continue
        index = pd.MultiIndex.from_frame(both)
        first = pd.MultiIndex.from_frame(places).get_indexer(index)
        second = pd.MultiIndex.from_frame(others).get_indexer(index)
        drawn = [drawn_blocks(both, matrices) for matrices in (mine[first], its[second])]
        found.append((one, other, paired_differences(drawn[0], drawn[1], resamples)))
    corrected = holm([difference["miou"].p for *_, difference in found])
    return [
        Pair(dataset, one, other, difference["miou"], difference["accuracy"], p)
        for (one, other, difference), p in zip(found, corrected, strict=True)
    ]


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, so that the chance of any false one stays."""
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    highest = 0.0
    for rank, place in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        corrected[place] = highest
    return corrected.tolist()


def pairs_section(pairs: Sequence[Pair], number: int) -> list[str]:
    """Return the lines of the section that says what is better than what.

    Args:
        pairs: The pairs; none gives no lines.
        number: Number of the table on its page.
    """
    if not pairs:
        return []
    rows = []
    for pair in pairs:
        sure = pair.p < 0.05
        said = "yes" if sure else "not shown"
        rows += [
            "<tr>",
            f"<td>{escape(pair.dataset)}</td>",
            f'<th scope="row">{escape(pair.better)}</th>',
            f"<td>{escape(pair.worse)}</td>",
            _difference(pair.miou),
            _difference(pair.accuracy),
            f'<td class="number" data-value="{pair.p:.6f}">{pair.p:.3f}</td>',
            f"<td>{'<strong>yes</strong>' if sure else said}</td>",
            f'<td class="number" data-value="{pair.miou.blocks}">{pair.miou.blocks}</td>',
            "</tr>",
        ]
    heads = [
        ("text", "dataset"),
        ("text", "is"),
        ("text", "better than"),
        ("number", "by mIoU"),
        ("number", "by accuracy"),
        ("number", "p"),
        ("text", "so?"),
        ("number", "blocks"),
    ]
    return [
        "<h2>Is it better, or was it luck?</h2>",
        "<p>Held-out blocks of the split are drawn again and again, the same for both experiments; "
        "below each difference stands the interval that holds 95 % of the draws. p is the chance "
        "of such a difference between equals, corrected for the number of pairs; fewer than six "
        "blocks can show none. What another seed or other ground would give is not in it.</p>",
        *sortable_table("Pairs of experiments on the same blocks.", heads, rows, number),
    ]


def pairs_page(dataset: str, pairs: Sequence[Pair]) -> str:
    """Return a page of the pairs of one data set."""
    said = pairs_section(pairs, 1) or [
        "<p>There are no two experiments that were judged on the same ground.</p>"
    ]
    return page(f"Pairs of experiments on {dataset}", said)


def pairs_table(pairs: Sequence[Pair]) -> str:
    """Return the pairs as CSV: differences with their intervals, p and the number of blocks."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    measures = ("miou", "accuracy")
    heads = [f"{name}{end}" for name in measures for end in ("", " low", " high")]
    writer.writerow(["dataset", "better", "worse", *heads, "p", "blocks"])
    for pair in pairs:
        ends = [
            f"{value:.6f}"
            for found in (pair.miou, pair.accuracy)
            for value in (found.value, found.low, found.high)
        ]
        row = (pair.dataset, pair.better, pair.worse, *ends, f"{pair.p:.6f}", pair.miou.blocks)
        writer.writerow(row)
    return text.getvalue()


def _difference(found: Difference) -> str:
    value, low, high = (f"{100 * number:+.1f}" for number in (found.value, found.low, found.high))
    return (
        f'<td class="number" data-value="{found.value:.6f}">{value}<br>'
        f'<small style="white-space: nowrap">{low} to {high}</small></td>'
    )
