"""Writing what the jobs of a folder of results took: a page, a table and a picture."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pandas as pd

from nadir.config.costs import CostConfig
from nadir.provenance.atomic import write_text
from nadir.provenance.benchmarks import read_all
from nadir.report.costs_figure import draw_costs
from nadir.report.costs_page import costs_page
from nadir.report.rule_costs import RuleCost, costs_of, gpus_of

log = logging.getLogger(__name__)


def present_costs(
    results: str | os.PathLike[str],
    cfg: CostConfig,
    page: str | os.PathLike[str],
    table: str | os.PathLike[str],
    figure: str | os.PathLike[str],
) -> list[RuleCost]:
    """Write the page, the table and the picture of what jobs took; return the rules.

    Args:
        results: Folder of results, with `benchmarks` and `logs` in it.
        cfg: Prices.
        page: HTML to write.
        table: CSV to write.
        figure: PNG to write.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    taken = read_all(results)
    if not taken:
        log.warning("%s: no job was measured yet", results)
    costs = costs_of(taken, gpus_of(Path(results)), cfg)
    frame = pd.DataFrame([vars(one) for one in costs], columns=list(RuleCost.__annotations__))
    write_text(table, frame.to_csv(index=False, float_format="%.6g"))
    draw_costs(costs, figure)
    write_text(page, costs_page(costs, cfg, Path(figure)))
    return costs
