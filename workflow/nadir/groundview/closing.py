"""Views as a dataset of retrieval: does a generated view find the crop that it was made from?

A folder of pairs, `ground/NAME.png` and `satellite/NAME.png`, with lists of the pairs that train
and of those that are ranked, as the retrieval job reads them (layout `lists`). What trains is real,
so that all experiments share one training (which holds out places of its own, so pairs of
validation train as well); what is ranked is generated.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_evaluate import ClosingConfig
from nadir.errors import InputError
from nadir.groundview.pairs import SPLITS, Pairs
from nadir.groundview.view_store import Views
from nadir.provenance.atomic import remove_path, write_bytes, write_json, write_text

GROUND, SATELLITE = "ground", "satellite"
"""Folders, and names of the two views."""


def export_views(
    pairs: Pairs, views: Views | None, out: str | os.PathLike[str], cfg: ClosingConfig
) -> dict[str, Any]:
    """Write the dataset beside `out`, and `out` last.

    Args:
        pairs: All pairs.
        views: What was generated for the test pairs; None exports their photos instead, which is
            what generated views are measured by.
        out: The JSON file to write: counts, and what is ranked.
        cfg: Which crops, which sample.

    Returns:
        What the file says.

    Raises:
        InputError: When there are no test pairs, no training pairs, or no such sample.
        OutputError: When the disk is full or not writable.
    """
    _check(pairs, views, cfg)
    folder = Path(out).parent
    Path(out).unlink(missing_ok=True)
    for name in (GROUND, SATELLITE):
        remove_path(folder / name)
    listed: dict[str, list[str]] = {"train": [], "test": []}
    for split in SPLITS:
        some = pairs.of(split)
        ground = some.photos
        if split == "test" and views is not None:
            ground = np.ascontiguousarray(views.views[:, cfg.sample])
        crops = some.turned if cfg.crop == "turned" else some.crops
        names = [str(name) for name in some.table["pair"]]
        for name, photo, crop in zip(names, ground, crops, strict=True):
            write_bytes(folder / GROUND / f"{name}.png", as_png(photo))
            write_bytes(folder / SATELLITE / f"{name}.png", as_png(crop))
        listed["test" if split == "test" else "train"] += names
    for name, members in listed.items():
        write_text(folder / f"{name}.csv", _listed(members))
    told = {
        "counts": {name: len(members) for name, members in listed.items()},
        "ranked": "photos" if views is None else "generated views",
        "crop": cfg.crop,
        "sample": cfg.sample if views is not None else None,
        "pairs": pairs.digest,
        "views": views.digest if views is not None else None,
    }
    write_json(out, told)
    return told


def _check(pairs: Pairs, views: Views | None, cfg: ClosingConfig) -> None:
    for split in ("train", "test"):
        if not len(pairs.rows(split)):
            problem = f"there are no pairs of the split {split!r}"
            raise InputError("pairs", problem, "Set the shares of the split anew.")
    if views is not None and cfg.sample >= views.views.shape[1]:
        problem = f"there are {views.views.shape[1]} samples of each place, counted from 0"
        raise InputError("closing.sample", problem, "Choose one of them.")


def _listed(names: Iterable[str]) -> str:
    """Return the lines of a list of pairs: satellite first, as the retrieval job has its views."""
    lines = [f"{SATELLITE}/{name}.png,{GROUND}/{name}.png" for name in names]
    return "".join(f"{line}\n" for line in lines)


def as_png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (3, height, width), RGB, as PNG."""
    plain = np.ascontiguousarray(picture[::-1].transpose(1, 2, 0))  # OpenCV's order is BGR
    return bytes(cv2.imencode(".png", plain)[1])
