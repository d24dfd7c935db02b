"""Which tiles are dropped, and why: every dropped tile is counted under exactly one cause."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.tiling import TileConfig

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)

CAUSES = ("no data", "water only", "cloud", "snow", "few valid pixels")
"""Why a tile can be dropped, in the order in which it is tried; the first that holds is named."""


def class_columns(count: int) -> list[str]:
    """Return the names of the columns of class pixel counts: class_0 .. class_`count`."""
    return [f"class_{number}" for number in range(count + 1)]


def drop_reasons(tiles: pd.DataFrame, cfg: TileConfig, classes: ClassTable | None) -> np.ndarray:
    """Return for every tile why it is dropped, or "" where it is kept.

    Args:
        tiles: Columns valid, cloud, snow (shares, NaN where unknown) and, with `classes`, the
            columns of class pixel counts.
        cfg: The filters. A share of cloud or snow that is unknown drops nothing.
        classes: Class table of the labels; None for a scene without labels.

    Returns:
        (n,) array of str: one of `CAUSES`, or "".
    """
    reasons = np.full(len(tiles), "", object)

    def drop(cause: str, hit: np.ndarray | pd.Series) -> None:
        reasons[(reasons == "") & np.asarray(hit, bool)] = cause

    if cfg.drop_empty:
        drop("no data", tiles["valid"] == 0)
    water = classes.id_of(cfg.water_class) if classes is not None else None
    if cfg.drop_water_only and classes is not None and water is not None:
        labelled = tiles[class_columns(classes.count)[1:]].sum(axis=1)
        drop("water only", (labelled > 0) & (tiles[f"class_{water}"] == labelled))
    for cause, most in (("cloud", cfg.max_cloud), ("snow", cfg.max_snow)):
        if most < 1 and tiles[cause].isna().any():
            _log.warning("the share of %s is unknown for some tiles: these are kept", cause)
        drop(cause, tiles[cause] > most)
    drop("few valid pixels", tiles["valid"] < cfg.min_valid)
    return reasons


def count_causes(tiles: pd.DataFrame) -> dict[str, int]:
    """Return the number of tiles by cause: "kept", then every cause of `CAUSES`."""
    found = tiles["reason"].value_counts()
    return {"kept": int(tiles["keep"].sum()), **{c: int(found.get(c, 0)) for c in CAUSES}}
