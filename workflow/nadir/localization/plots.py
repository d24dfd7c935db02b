"""The pictures of one experiment: a sheet of photos, a map of errors, confidence against error."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from nadir.localization.casefile import Case
from nadir.localization.figures_confidence import draw_confidence
from nadir.localization.figures_errors import draw_error_map
from nadir.localization.figures_photos import chosen, draw_photo, draw_sheet, read_panel
from nadir.localization.outcomes import outcomes_of
from nadir.localization.substrate import open_substrate

log = logging.getLogger(__name__)

_OVERVIEW = 1100  # pixels of the substrate's longer side, on the map of errors


def draw_experiment(
    photos: pd.DataFrame,
    poses: pd.DataFrame,
    case: Case,
    *,
    sheet: Path,
    errors: Path,
    confidence: Path,
    each: Path | None = None,
    most: int = 12,
    threshold: float | None = None,
    right_px: float,
    right_deg: float,
    title: str = "",
) -> None:
    """Draw what became of the photos. Test photos are shown, where their positions are known.

    Args:
        photos: The photo table.
        poses: The answers.
        case: The case.
        sheet: Contact sheet to write: the worst, the flagged and a few right ones.
        errors: Map of errors to write.
        confidence: Picture of confidence against error to write; over validation and test.
        each: Folder for one picture for each photo of the sheet; None for none.
        most: Photos on the sheet.
        threshold: Least probability of an answer that is not flagged.
        right_px: Largest error of a right center.
        right_deg: Largest error of a right direction.
        title: Heading.

    Raises:
        InputError: When a photo or the substrate cannot be read.
        OutputError: When the disk is full or not writable.
    """
    outcomes = outcomes_of(photos, poses, right_px, right_deg)
    shown = shown_split(outcomes)
    with open_substrate(case.path) as substrate:
        panels = [read_panel(row, substrate) for _, row in chosen(shown, most).iterrows()]
        overview = substrate.overview(_OVERVIEW)
    draw_sheet(panels, sheet, title)
    if each is not None:
        for panel in panels:
            draw_photo(panel, each / f"{panel.name}.png")
    draw_error_map(overview, shown, errors, title)
    limits = {"right_px": right_px, "right_deg": right_deg}
    draw_confidence(outcomes, confidence, threshold=threshold, title=title, **limits)


def shown_split(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the test photos where positions are known, else those of validation, else all."""
    located = outcomes["center"].notna()
    for split in ("test", "validation"):
        rows = outcomes[outcomes["split"] == split]
        if located[rows.index].any():
            return rows
    return outcomes
