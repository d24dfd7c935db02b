"""A map of what would run: one box a rule, from left to right as they wait for each other."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from html import escape

from nadir.raster.style import ACCENTS, INK, QUIET
from nadir.upkeep.walking import span_text
from nadir.upkeep.why import Answer, Due

_WIDE, _HIGH = 190, 44  # of a box, px
_ACROSS, _DOWN = 70, 16  # between boxes
_MARGIN = 12
_PAPER, _LINE = "#ffffff", "#cbd2d9"


@dataclass(frozen=True)
class Box:
    """A rule on the map.

    Attributes:
        rule: The rule.
        column: How many others it waits for, one after the other.
        jobs: Its jobs.
        above: Rules whose jobs it waits for.
    """

    rule: str
    column: int
    jobs: tuple[Due, ...]
    above: tuple[str, ...]

    @property
    def first(self) -> bool:
        """Whether a change comes in here."""
        return any(one.first for one in self.jobs)

    @property
    def text(self) -> str:
        """What stands under its name."""
        known = [one.seconds for one in self.jobs if not math.isnan(one.seconds)]
        time = span_text(math.fsum(known)) if known else "?"
        return f"{len(self.jobs)} job{'s' if len(self.jobs) > 1 else ''} · {time}"


def boxes_of(answer: Answer) -> list[Box]:
    """Return the boxes, by column and then by where those above them stand."""
    depth: dict[int, int] = {}
    jobs: dict[str, list[Due]] = defaultdict(list)
    above: dict[str, set[str]] = defaultdict(set)
    rules = {one.job.number: one.job.rule for one in answer.due}
    for one in answer.due:
        depth[one.job.number] = 1 + max((depth[n] for n in one.job.above), default=-1)
        jobs[one.job.rule].append(one)
        above[one.job.rule] |= {rules[n] for n in one.job.above} - {one.job.rule}
    columns = {rule: max(depth[one.job.number] for one in found) for rule, found in jobs.items()}
    boxes = [
        Box(rule, columns[rule], tuple(jobs[rule]), tuple(sorted(_nearest(rule, above, columns))))
        for rule in sorted(jobs, key=lambda rule: (columns[rule], rule))
    ]
    rows: dict[str, float] = {}
    ordered = []
    for column in range(max(columns.values(), default=-1) + 1):
        here = [box for box in boxes if box.column == column]
        # Beside those that it waits for: fewer lines cross.
        here.sort(key=lambda box: (_middle([rows[r] for r in box.above if r in rows]), box.rule))
        rows |= {box.rule: float(row) for row, box in enumerate(here)}
        ordered += here
    return ordered


def _nearest(rule: str, above: dict[str, set[str]], columns: dict[str, int]) -> set[str]:
    """Return the rules right above one: those that others of them wait for are left out."""
    reached: set[str] = set()
    for other in above[rule]:
        todo = [other] if columns[other] < columns[rule] else []
        while todo:
            here = todo.pop()
            further = {one for one in above[here] if columns[one] < columns[here]} - reached
            reached |= further
            todo += further
    return above[rule] - reached


def _middle(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def why_map(answer: Answer) -> str:
    """Return the map as SVG; boxes where a change comes in are filled."""
    boxes = boxes_of(answer)
    places: dict[str, tuple[int, int]] = {}
    heights: dict[int, int] = defaultdict(int)
    for box in boxes:
        row = heights[box.column]
        heights[box.column] += 1
        x = _MARGIN + box.column * (_WIDE + _ACROSS)
        places[box.rule] = (x, _MARGIN + row * (_HIGH + _DOWN))
    width = 2 * _MARGIN + (len(heights) or 1) * (_WIDE + _ACROSS) - _ACROSS
    height = 2 * _MARGIN + max(heights.values(), default=1) * (_HIGH + _DOWN) - _DOWN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="Rules that would run" '
        'font-family="system-ui, DejaVu Sans, sans-serif">',
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
    ]
    for box in boxes:
        for rule in box.above:
            if rule in places:
                lines.append(_curve(places[rule], places[box.rule]))
    lines += [_drawn(box, *places[box.rule]) for box in boxes]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _curve(start: tuple[int, int], end: tuple[int, int]) -> str:
    """Return a line from the right of one box to the left of another."""
    x, y = start[0] + _WIDE, start[1] + _HIGH / 2
    u, v = end[0], end[1] + _HIGH / 2
    half = max((u - x) / 2, _ACROSS / 2)
    path = f"M{x},{y:g} C{x + half:g},{y:g} {u - half:g},{v:g} {u},{v:g}"
    return f'<path d="{path}" fill="none" stroke="{_LINE}" stroke-width="1.5"/>'


def _drawn(box: Box, x: int, y: int) -> str:
    """Return a box with its texts; what it is about is told when pointed at."""
    fill, ink, quiet = (ACCENTS[0], _PAPER, _PAPER) if box.first else (_PAPER, INK, QUIET)
    reasons = dict.fromkeys(reason for one in box.jobs for reason in one.reasons)
    title = escape("\n".join([box.rule, *list(reasons)[:8]]))
    return (
        f"<g><title>{title}</title>"
        f'<rect x="{x}" y="{y}" width="{_WIDE}" height="{_HIGH}" rx="5" fill="{fill}" '
        f'stroke="{ACCENTS[0] if box.first else QUIET}"/>'
        f'<text x="{x + 10}" y="{y + 18}" font-size="12.5" font-weight="600" '
        f'fill="{ink}">{escape(_short(box.rule))}</text>'
        f'<text x="{x + 10}" y="{y + 35}" font-size="11.5" fill="{quiet}">{escape(box.text)}</text>'
        "</g>"
    )


def _short(text: str) -> str:
    """Return a name that fits its box."""
    return text if len(text) <= 24 else f"{text[:23]}…"
