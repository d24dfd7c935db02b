"""The page of costs: what rules took, in a table that sorts, with a picture."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from nadir.config.costs import CostConfig
from nadir.provenance.files import read_bytes
from nadir.report.page import definitions, page, sortable_table
from nadir.report.rule_costs import KWH, RuleCost
from nadir.upkeep.walking import span_text

_DASH = "–"


def costs_page(costs: Sequence[RuleCost], cfg: CostConfig, figure: Path) -> str:
    """Return the page.

    Args:
        costs: The rules, dearest first.
        cfg: Prices.
        figure: The picture (PNG), which becomes part of the page.
    """
    picture = base64.b64encode(read_bytes(figure)).decode()
    priced = any(not math.isnan(one.price) for one in costs)
    counted = any(not math.isnan(one.joules) for one in costs)
    watched = any(not math.isnan(one.gpu_busy) for one in costs)
    heads = [
        ("text", "rule"),
        ("number", "jobs"),
        ("number", "time"),
        ("number", "longest job"),
        ("number", "CPU time"),
        ("number", "core hours"),
        ("number", "share"),
        ("number", "memory, MB"),
        ("number", "read, MB"),
        ("number", "written, MB"),
        *([("number", "GPU busy"), ("number", "GPU memory, MB")] if watched else []),
        *([("number", "GPU energy, Wh")] if counted else []),
        *([("number", f"price, {cfg.currency}")] if priced else []),
    ]
    rows = [_row(one, watched, counted, priced) for one in costs]
    alt = "Bars: hours of cores by rule, and the most memory of one job"
    body = [
        f"<p>{escape(summary(costs, cfg))}</p>",
        f'<p><img src="data:image/png;base64,{picture}" alt="{alt}" style="max-width: 100%"></p>',
        *sortable_table("What the jobs of each rule took, at their last run", heads, rows, 1),
        *definitions(_terms(watched, counted, priced, cfg)),
    ]
    return page("What it cost", body)


def summary(costs: Sequence[RuleCost], cfg: CostConfig) -> str:
    """Return all in a few sentences."""
    if not costs:
        return "No job was measured yet: run the graph first."
    hours = math.fsum(one.core_hours for one in costs)
    jobs = sum(one.jobs for one in costs)
    time = span_text(math.fsum(one.seconds for one in costs))
    text = f"{jobs} jobs of {len(costs)} rules: {time} one after the other, {hours:.3g} core hours"
    memory = max(
        (one.memory_mb for one in costs if not math.isnan(one.memory_mb)), default=math.nan
    )
    if not math.isnan(memory):
        text += f", at most {memory:,.0f} MB of memory"
    joules = [one.joules for one in costs if not math.isnan(one.joules)]
    if joules:
        text += f", {math.fsum(joules) / KWH:.3g} kWh on GPUs"
    prices = [one.price for one in costs if not math.isnan(one.price)]
    if prices:
        text += f"; {math.fsum(prices):,.2f} {cfg.currency}"
    return f"{text}."


def _terms(
    watched: bool, counted: bool, priced: bool, cfg: CostConfig
) -> Iterable[tuple[str, str]]:
    """Yield what the columns mean."""
    yield (
        "time",
        "Time that passed, summed over the jobs. Snakemake measures the last run of a job: one "
        "that took its result from the cache counts what that took, and one that was killed and "
        "went on counts from where it went on.",
    )
    yield (
        "core hours",
        "Processor time, and no less than the time that passed: a job holds one core at least.",
    )
    yield "memory", "The most that one job of the rule took (RSS)."
    if watched:
        yield "GPU busy", "Share of the time a GPU was held in which a kernel ran on it (NVML)."
        yield "GPU memory", "The most that was taken of one GPU (NVML), looked at every second."
    if counted:
        yield "GPU energy", "As NVML counted it while trainings held their GPU."
    else:
        yield (
            "GPU energy",
            "Not shown: no log tells of any. Nothing ran on a GPU, or there is no NVML, or the GPU "
            "does not count its energy; the logs of trainings on a GPU say which.",
        )
    if priced:
        per = [
            f"{price:g} {cfg.currency} a {unit}"
            for price, unit in (
                (cfg.price_per_core_hour, "core hour"),
                (cfg.price_per_kwh, "kWh of GPU energy"),
            )
            if price is not None
        ]
        yield "price", f"{', '.join(per)} (`costs` in the configuration)."
    else:
        yield "price", "Not shown: `costs.price_per_core_hour` is not set."


def _row(one: RuleCost, watched: bool, counted: bool, priced: bool) -> str:
    """Return one line of the table."""
    cells = [
        _cell(one.jobs, f"{one.jobs}"),
        _cell(one.seconds, span_text(one.seconds)),
        _cell(one.longest, span_text(one.longest)),
        _cell(one.cpu_seconds, span_text(one.cpu_seconds)),
        _cell(one.core_hours, f"{one.core_hours:.3g}"),
        _cell(one.share, f"{one.share:.1%}"),
        _cell(one.memory_mb, f"{one.memory_mb:,.0f}"),
        _cell(one.read_mb, f"{one.read_mb:,.0f}"),
        _cell(one.written_mb, f"{one.written_mb:,.0f}"),
        *(
            [
                _cell(one.gpu_busy, f"{one.gpu_busy:.0%}"),
                _cell(one.gpu_memory_mb, f"{one.gpu_memory_mb:,.0f}"),
            ]
            if watched
            else []
        ),
        *([_cell(one.joules, f"{one.joules / 3600:,.3g}")] if counted else []),
        *([_cell(one.price, f"{one.price:,.4f}")] if priced else []),
    ]
    return f'<tr><th scope="row">{escape(one.rule)}</th>{"".join(cells)}</tr>'


def _cell(value: float, text: str) -> str:
    """Return a cell; a dash where the figure is not known."""
    if math.isnan(value):
        return f'<td class="number" data-value="">{_DASH}</td>'
    return f'<td class="number" data-value="{value:.6f}" style="white-space: nowrap">{text}</td>'
