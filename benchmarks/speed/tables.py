"""The table of a comparison: ratios, what is asked, whether it is reached; CSV and Markdown."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from speed.contest import Claim, Outcome, Row

COLUMNS = {
    "row": "row",
    "contestant": "contestant",
    "seconds": "seconds",
    "cpu": "CPU s",
    "ratio": "ratio",
    "cpu_ratio": "ratio of CPU s",
    "asked": "asked",
    "reached": "reached",
    "memory": "peak RSS, MiB",
    "note": "note",
}
"""Column of the CSV -> its head in the Markdown."""


@dataclass(frozen=True)
class Line:
    """A line of the table: a contestant, or what nadir must reach against it.

    Attributes:
        row: Title of the row.
        contestant: Who; behind `against`, nadir's contestant that it is held against.
        seconds: Median over rounds; NaN where it did not run.
        cpu: Median processor seconds.
        ratio: As asked: how many times as long as nadir it takes, or nadir as it.
        cpu_ratio: The same of processor seconds: what is left of it on a busy machine.
        asked: Such as `≥ 6 times as long as nadir`; empty where nothing is.
        reached: `yes`, `no`, or empty.
        memory: Peak resident memory in MiB; NaN where it is not told.
        note: How its result compares; or why it did not run.
        margin: How many times over what is asked is reached; NaN where nothing is.
    """

    row: str
    contestant: str
    seconds: float
    cpu: float
    ratio: float
    cpu_ratio: float
    asked: str
    reached: str
    memory: float
    note: str
    margin: float


def paired_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    """Return the median over rounds of a ratio: load that comes and goes hits both sides."""
    pairs = [a / b for a, b in zip(above, below, strict=False) if b > 0]
    return statistics.median(pairs) if pairs else math.nan


@dataclass(frozen=True)
class Verdict:
    """What came of a claim; see `Line` for `ratio`, `cpu_ratio`, `asked` and `margin`."""

    ratio: float = math.nan
    cpu_ratio: float = math.nan
    asked: str = ""
    margin: float = math.nan


def judge(claim: Claim, ours: Outcome, theirs: Outcome | None) -> Verdict:
    """Return what came of a claim.

    Raises:
        ValueError: When it needs another contestant, and there is none.
    """
    bound, nan = claim.bound, math.nan
    if claim.kind == "seconds":
        return Verdict(nan, nan, f"≤ {bound:g} s", bound / statistics.median(ours.rounds))
    if theirs is None:
        raise ValueError(f"{claim.ours}: against whom?")
    if claim.kind == "memory":
        ratio = ours.memory / theirs.memory if theirs.memory else nan
        return Verdict(ratio, nan, f"memory of {claim.ours} ≤ {bound:g} times this", bound / ratio)
    if claim.kind == "faster":
        ratio = paired_ratio(theirs.rounds, ours.rounds)
        words = f"≥ {bound:g} times as long as {claim.ours}"
        return Verdict(ratio, paired_ratio(theirs.cpu, ours.cpu), words, ratio / bound)
    ratio = paired_ratio(ours.rounds, theirs.rounds) / claim.parts
    words = f"{claim.ours} ≤ {bound:g} times this"
    if claim.kind == "each":
        words += f" for {claim.parts:g} times the work"
    return Verdict(ratio, paired_ratio(ours.cpu, theirs.cpu) / claim.parts, words, bound / ratio)


def lines_of(row: Row, outcomes: Sequence[Outcome]) -> list[Line]:
    """Return the lines of a row: one a contestant, and one more for each further claim on it."""
    by_name = {one.name: one for one in outcomes}
    found = []
    for outcome in outcomes:
        mine = [c for c in row.claims if (c.theirs or c.ours) == outcome.name]
        mine = [c for c in mine if not outcome.skipped and not by_name[c.ours].skipped]
        judged = [judge(c, by_name[c.ours], by_name.get(c.theirs)) for c in mine]
        for number, verdict in enumerate(judged or [Verdict()]):
            found.append(_line(row, outcome, number == 0, verdict))
    return found


def _line(row: Row, outcome: Outcome, first: bool, verdict: Verdict) -> Line:
    ran = bool(outcome.rounds) and not outcome.skipped
    reached = "" if math.isnan(verdict.margin) else ("yes" if verdict.margin >= 1 else "no")
    return Line(
        row.title,
        outcome.name,
        statistics.median(outcome.rounds) if ran else math.nan,
        statistics.median(outcome.cpu) if ran else math.nan,
        verdict.ratio,
        verdict.cpu_ratio,
        verdict.asked,
        reached,
        outcome.memory if ran and outcome.memory else math.nan,
        (f"skipped: {outcome.skipped}" if outcome.skipped else outcome.note) if first else "",
        verdict.margin,
    )


def to_csv(lines: Sequence[Line]) -> str:
    """Return the table as CSV; empty cells where there is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [one.name for one in fields(Line)]
    writer.writerow(names)
    for line in lines:
        writer.writerow([_plain(getattr(line, name)) for name in names])
    return text.getvalue()


def of_csv(text: str) -> list[Line]:
    """Return the lines that a CSV holds."""
    numbers = {one.name for one in fields(Line) if one.type == "float"}
    return [
        Line(**{k: (float(v or "nan") if k in numbers else v) for k, v in row.items()})
        for row in csv.DictReader(io.StringIO(text))
    ]


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.5g}"
    return str(value)


def to_markdown(lines: Sequence[Line]) -> str:
    """Return the table as Markdown, a row's title once."""
    cells = [list(COLUMNS.values())]
    before = ""
    for line in lines:
        shown: Mapping[str, str] = {
            "row": "" if line.row == before else line.row,
            "contestant": line.contestant,
            "seconds": _short(line.seconds),
            "cpu": _short(line.cpu),
            "ratio": _short(line.ratio),
            "cpu_ratio": _short(line.cpu_ratio),
            "asked": line.asked,
            "reached": line.reached,
            "memory": "" if math.isnan(line.memory) else f"{line.memory:.0f}",
            "note": line.note,
        }
        before = line.row
        cells.append([shown[name].replace("|", "/") for name in COLUMNS])
    rule = ["---"] * len(COLUMNS)
    return "\n".join(f"| {' | '.join(one)} |" for one in [cells[0], rule, *cells[1:]]) + "\n"


def in_page(text: str, name: str, table: str) -> str:
    """Return a page with a table between `<!-- NAME -->` and `<!-- end of NAME -->`.

    Raises:
        ValueError: When the page has not both marks.
    """
    first, last = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(first)
    _, ended, after = rest.partition(last)
    if not found or not ended:
        raise ValueError(f"the page has no {first.strip()} with {last} behind it")
    return f"{before}{first}{table}{last}{after}"


def _short(value: float) -> str:
    """Return a number in three digits, empty for none."""
    if math.isnan(value):
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
